"""Writing and reading labelled stacks in every format of the registry."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Progress
from napari_sa2va.core.labelled import LabelledStack, layer_stack
from napari_sa2va.export.card import data_card
from napari_sa2va.export.dataset import Export, Options, categories_of, choose
from napari_sa2va.export.provenance import completed, describe, load_provenance
from napari_sa2va.export.registry import Format, format_named, format_of
from napari_sa2va.export.staging import CARD_NAME, PROVENANCE_NAME, check_target, staged
from napari_sa2va.io import open_labels, open_stack

Path_ = str | PathLike[str]


def write(
    labels: Any,
    path: Path_,
    format: str,  # noqa: A002
    *,
    images: Any = None,
    overwrite: bool = False,
    **options: Any,
) -> Path:
    """Export labels; nothing appears under `path` until all of it is written.

    Parameters
    ----------
    labels : LabelledStack, napari Labels layer, array or path, or a list of them
        Of each stack. An array is (T, H, W) or (H, W), of integers, and read a frame at a time.
    path : str or path
        A folder that will be. For formats that make one file of a stack, a path with the
        format's suffix, such as ``labels.ome.tif``, is that file.
    format : str
        A name of `napari_sa2va.export.FORMATS`.
    images : stack or path, or a list of them, optional
        The images that the labels belong to.
    overwrite : bool
        Whether to replace an export that is there. A folder that is no export is never replaced.
    **options
        Fields of `Options`: ``frames``, ``classes``, ``split``, ``verified_only``,
        ``image_files``, ``depth``, ``overlaps``.

    Returns
    -------
    Path
        The folder or file.

    Raises
    ------
    napari_sa2va.core.errors.InputError
        Something does not fit together, or the target exists or cannot be written.

    Examples
    --------
    >>> write("labels.tif", "dataset", "coco", images="cells.tif")  # doctest: +SKIP
    """
    stacks = labelled_stacks(labels, images)
    for _ in writing(stacks, path, format, Options(**options), overwrite=overwrite):
        pass
    return Path(path)


def writing(
    stacks: Sequence[LabelledStack],
    path: Path_,
    format: str,  # noqa: A002
    options: Options | None = None,
    *,
    overwrite: bool = False,
) -> Iterator[Progress]:
    """As `write`, a frame a step; closing the iterator cancels and leaves nothing behind."""
    target, options, format_ = Path(path), options or Options(), format_named(format)
    single = format_.is_file(target)
    check_target(target, overwrite, single)
    options = _checked(format_, stacks, options)
    total = 2 * sum(stack.shape[0] for stack in stacks)
    done = 0
    for stack in stacks:
        for _ in stack.survey():
            done += 1
            yield Progress(done, total, "reading labels")
    chosen = choose(stacks, options)
    if single and len(chosen) > 1:
        raise InputError(
            f"{len(chosen)} stacks do not fit into the one file {target}.", "Name a folder."
        )
    total = done + sum(stack.shape[0] for stack in chosen)
    with staged(target, overwrite, format_.suffix if single else None) as folder:
        export = Export(folder, chosen, options, categories_of(chosen, options))
        for _ in format_.load().write(export, format_.variant):
            done += 1
            yield Progress(done, total, "writing")
        yield Progress(done, total, "checksums of the sources")
        document = describe(export, format_.name)
        text = json.dumps(document, ensure_ascii=False, indent=1)
        (folder / PROVENANCE_NAME).write_text(text, "utf-8")
        card = data_card(target.name, format_.title, document)
        (folder / CARD_NAME).write_text(card, "utf-8")


def read(path: Path_, format: str | None = None) -> list[LabelledStack]:  # noqa: A002
    """Import labels; their frames are read when they are asked for.

    Parameters
    ----------
    path : str or path
        A folder or file of a format that can be imported, by this program or another.
    format : str, optional
        A name of `napari_sa2va.export.FORMATS`; default: what it is recognized as.

    Returns
    -------
    list of LabelledStack
        One a movie and part of a split. What the format cannot hold comes from the provenance
        beside it.

    Raises
    ------
    napari_sa2va.core.errors.InputError
        The path is missing or damaged, of an unknown format, or of one that is not imported.
    """
    path = Path(path)
    if not path.exists():
        raise InputError(f"There is no file {path}.", "Check the path.")
    provenance = load_provenance(path)
    format_ = (
        format_named(format or provenance.format)
        if format or provenance.format
        else format_of(path)
    )
    if not format_.readable:
        raise InputError(
            f"{format_.title} cannot be imported: they are no labels.",
            "Import the labels that they were measured on.",
        )
    stacks = format_.load().read(path, provenance)
    if not stacks:
        raise InputError(f"There are no labels in {path}.", "Is it the right folder?")
    return [completed(stack, provenance) for stack in stacks]


def labelled_stacks(labels: Any, images: Any = None) -> list[LabelledStack]:
    """What `write` takes, as labelled stacks."""
    several = isinstance(labels, (list, tuple))
    every = list(labels) if several else [labels]
    of_images = list(images) if several and images is not None else [images] * len(every)
    if len(of_images) != len(every):
        raise InputError(
            f"There are {len(every)} label stacks and {len(of_images)} image stacks.",
            "Give one image stack for each.",
        )
    return [_labelled(*pair) for pair in zip(every, of_images, strict=True)]


def _labelled(labels: Any, images: Any) -> LabelledStack:
    sources: tuple[tuple[str, Path], ...] = ()
    if isinstance(images, (str, PathLike)):
        sources = (("images", Path(images)),)
        images = open_stack(images)
    elif images is not None and not hasattr(images, "frame"):
        from napari_sa2va.core.frames import ArrayFrames

        images = ArrayFrames(images)
    if isinstance(labels, (str, PathLike)):
        labels = _opened(Path(labels))
    elif hasattr(labels, "metadata") and hasattr(labels, "features"):
        labels = layer_stack(labels)
    elif not isinstance(labels, LabelledStack):
        labels = LabelledStack(labels)
    if images is None:
        return replace(labels, sources=(*labels.sources, *sources))
    return replace(labels, images=images, sources=(*labels.sources, *sources))


def _opened(path: Path) -> LabelledStack:
    """Labels of a path: one of our exports with all that is known, or a plain file."""
    from napari_sa2va.io.arrays import stack_name

    if load_provenance(path).format:
        stacks = read(path)
        if len(stacks) > 1:
            raise InputError(
                f"{path} holds {len(stacks)} stacks.", "Read it, and write the ones that you want."
            )
        return replace(stacks[0], sources=(("labels", path),))
    return LabelledStack(open_labels(path), name=stack_name(path), sources=(("labels", path),))


def _checked(format_: Format, stacks: Sequence[LabelledStack], options: Options) -> Options:
    if not stacks:
        raise InputError("There are no labels to export.", "Give at least one stack.")
    with_images = [stack for stack in stacks if stack.images is not None]
    if format_.images == "required" and (
        len(with_images) < len(stacks) or options.image_files == "none"
    ):
        raise InputError(
            f"{format_.title} cannot do without images.", "Give the images of every stack."
        )
    if format_.images == "never" or not with_images:
        return replace(options, image_files="none")
    if options.image_files == "reference" and not format_.refers:
        raise InputError(
            f"{format_.title} finds images by their place: they cannot be referenced.",
            "Write them.",
        )
    if len(with_images) < len(stacks) and options.image_files != "none":
        missing = next(stack.name for stack in stacks if stack.images is None)
        raise InputError(
            f"{missing} has no images, other stacks have.", "Give those of all, or of none."
        )
    return options
