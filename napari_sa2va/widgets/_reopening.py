"""A session that was saved is opened again: its images, objects, prompts and what was said."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.io.session_file import SessionFile
from napari_sa2va.widgets import _kept_state as state
from napari_sa2va.widgets._geometry import image_shape

if TYPE_CHECKING:
    import napari
    from napari.layers import Image

    from napari_sa2va.widgets._sa2va_widget import Sa2VAWidget


def reopen(dock: Sa2VAWidget, path: Path) -> None:
    """Open a session in a dock; masks come in a run, off the Qt thread.

    Raises
    ------
    InputError
        It is no session, its images are not there, or objects are in the way.
    """
    file = SessionFile(path)
    try:
        image = _open_images(dock._viewer, file)
        _check_free(dock, image)
        _look_at(dock, file, image)
        if dock.workbench.objects is not None:
            dock.workbench.objects.sent = file.section("sent", [])
        dock.workbench.restore(file)
    except BaseException:
        file.close()
        raise


def _look_at(dock: Sa2VAWidget, file: SessionFile, image: Image) -> None:
    viewer, kept = dock._viewer, file.section("viewer")
    if kept is not None and len(kept["order"]) == viewer.dims.ndim:
        viewer.dims.order = tuple(kept["order"])
        viewer.dims.current_step = tuple(kept["step"])
    if (choices := file.section("choices")) is not None:
        state.restore_choices(dock, choices)
    if dock.picker.image is not image:
        row = dock.picker.layers.findText(image.name)
        dock.picker.layers.setCurrentIndex(max(0, row))
    state.restore_prompts(dock, file.section("prompts", {}))
    state.restore_chat(dock, file.section("chat", []))
    dock.workbench.look_at(dock.picker.image, dock.picker.geometry)


def _check_free(dock: Sa2VAWidget, image: Image) -> None:
    from napari_sa2va.widgets._object_labels import find_labels

    if dock.workbench.runner.is_running:
        raise InputError("Something is running already.", "Wait for it, or cancel it.")
    there = find_labels(dock._viewer, image)
    if there is not None:
        raise InputError(
            f"The image {image.name!r} has objects already, in the layer {there.name!r}.",
            "Remove that layer first; its session stays saved.",
        )


def _open_images(viewer: napari.Viewer, file: SessionFile) -> Image:
    """Bring the images of a session into the viewer, and give the one that was worked on."""
    wanted = file.section("image")
    if wanted is None:
        raise InputError(f"{file.path} names no image.", "Choose another session.")
    opened: dict[str, list[Image]] = {}
    reference = None
    for kept in file.section("layers", []):
        image = _in_viewer(viewer, kept) or _opened(viewer, file, kept, opened)
        if image is not None:
            image.name = kept["name"]
            state.dress(image, kept)
            if kept["name"] == wanted["name"]:
                reference = image
    shape = None if reference is None else list(image_shape(reference))
    if reference is None or shape != wanted["shape"]:
        size = " x ".join(map(str, wanted["shape"]))
        found = "is not there" if reference is None else f"has another shape now: {shape}"
        raise InputError(
            f"The image {wanted['name']!r} ({size}) of the session {found}.",
            "Add it to the viewer under that name, then reopen the session.",
        )
    return reference


def _in_viewer(viewer: napari.Viewer, kept: dict[str, Any]) -> Image | None:
    from napari.layers import Image

    for layer in viewer.layers:
        same = isinstance(layer, Image) and list(image_shape(layer)) == kept["shape"]
        if same and layer.name == kept["name"]:
            return layer
    return None


def _opened(
    viewer: napari.Viewer, file: SessionFile, kept: dict[str, Any], opened: dict[str, list[Image]]
) -> Image | None:
    """Open the file or the sample that an image came from, once for all of its images."""
    from napari.layers import Image

    path = _found(file, kept["path"])
    origin = str(path or kept["sample"])
    if origin not in opened:
        if path is not None:
            layers = _read(viewer, path, kept["plugin"])
        elif kept["sample"] is not None:
            layers = viewer.open_sample(*kept["sample"])
        else:
            layers = []
        opened[origin] = [layer for layer in layers if isinstance(layer, Image)]
    images = opened[origin]
    return images[kept["place"]] if kept["place"] < len(images) else None


def _read(viewer: napari.Viewer, path: str, plugin: str | None) -> list[Any]:
    from napari.errors import NoAvailableReaderError, ReaderPluginError

    try:
        return viewer.open(path, plugin=plugin)
    except (OSError, ValueError, NoAvailableReaderError, ReaderPluginError) as error:
        raise InputError(
            f"{path} cannot be read again: {error}",
            "Open the image in the viewer as before, then reopen the session.",
        ) from error


def _found(file: SessionFile, path: str | None) -> str | None:
    """Where the image is now: where it was, or where it was seen from the session."""
    if path is None:
        return None
    if "://" in path or Path(path).exists():
        return path
    before = Path(file.section("saved_at", str(file.path))).parent
    moved = Path(file.path).absolute().parent / os.path.relpath(path, before)
    if moved.exists():
        return str(moved)
    raise InputError(
        f"The image {path} of the session is not there.",
        "Put it back, or put it beside the session as it was.",
    )
