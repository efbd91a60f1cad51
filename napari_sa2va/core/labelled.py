"""A labelled stack: what every export writes and every import gives."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import FrameSource, check_frame
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.runs import Labels, ObjectRuns, object_runs, pack_planes

Masks = Iterable[tuple[int, npt.NDArray[np.bool_]]]


class LabelSource(Protocol):
    """Label images of a stack, read a frame at a time.

    Attributes
    ----------
    shape : tuple of int
        (T, H, W).
    """

    @property
    def shape(self) -> tuple[int, int, int]: ...

    def planes(self, frame: int) -> Sequence[Labels]:
        """Label images (H, W) of a frame, 0 for background; several where objects overlap."""
        ...


class LabelArray:
    """Labels in an array that is indexed by frame: numpy, dask, zarr or anything alike.

    Parameters
    ----------
    array : array-like
        (T, H, W) or (H, W), of integers.

    Raises
    ------
    InputError
        The array has other axes, no frames, no pixels, or values that are no integers.
    """

    def __init__(self, array: Any) -> None:
        if not hasattr(array, "shape") or not hasattr(array, "dtype"):
            array = np.asarray(array)
        shape = tuple(int(size) for size in array.shape)
        if len(shape) not in (2, 3):
            raise InputError(
                f"Labels of the shape {shape} are not understood.",
                "Give (H, W) or (T, H, W); take one step of the other axes.",
            )
        if 0 in shape:
            raise InputError(f"Labels of the shape {shape} have no pixels.", "Give some.")
        if np.dtype(array.dtype).kind not in "bui":
            raise InputError(f"Labels are integers, not {array.dtype}.", "Convert them first.")
        self._single = len(shape) == 2
        self._array = array
        # Three numbers, as was just checked.
        self.shape: tuple[int, int, int] = (1, *shape) if self._single else shape  # type: ignore[assignment]

    def planes(self, frame: int) -> Sequence[Labels]:
        check_frame(frame, self.shape[0])
        plane = np.asarray(self._array if self._single else self._array[frame])
        if plane.dtype == bool:
            plane = plane.view(np.uint8)
        if plane.dtype.kind == "i" and plane.min() < 0:
            raise InputError(
                f"Frame {frame} has the label {plane.min()}.", "Object ids are positive."
            )
        return (plane,)


class LabelPlanes:
    """Several sources of one shape, one above the other."""

    def __init__(self, sources: Sequence[LabelSource]) -> None:
        self._sources = sources
        self.shape = sources[0].shape

    def planes(self, frame: int) -> Sequence[Labels]:
        return [plane for source in self._sources for plane in source.planes(frame)]


class LabelMasks:
    """Labels made of masks, which are asked for when a frame is read.

    Parameters
    ----------
    shape : tuple of int
        (T, H, W).
    masks : callable
        Gives the pairs of object id and mask (H, W) of a frame.
    """

    def __init__(self, shape: tuple[int, int, int], masks: Callable[[int], Masks]) -> None:
        self.shape = shape
        self._masks = masks

    def planes(self, frame: int) -> Sequence[Labels]:
        check_frame(frame, self.shape[0])
        return pack_planes(iter(self._masks(frame)), self.shape[1:])


@dataclass(frozen=True)
class PixelMapping:
    """Where the pixels are in the world, axis by axis (t, y, x).

    Attributes
    ----------
    scale : tuple of float
        Size of a step.
    translate : tuple of float
        Where pixel 0 is.
    units : tuple of str
        Of both; "pixel" where nothing is known.
    """

    scale: tuple[float, float, float] = (1.0, 1.0, 1.0)
    translate: tuple[float, float, float] = (0.0, 0.0, 0.0)
    units: tuple[str, str, str] = ("pixel", "pixel", "pixel")


@dataclass(frozen=True)
class LabelledStack:
    """Objects of a stack: their pixels, read a frame at a time, and what is known about each.

    Attributes
    ----------
    labels : LabelSource
        The pixels; an array is taken, too.
    objects : dict of int to ObjectRecord
        By object id; frames count as in `labels`. Objects without a record are called nothing.
    name : str
        For people and file names.
    images : FrameSource, optional
        The images that the labels belong to, of the same (T, H, W).
    mapping : PixelMapping
        Where the pixels are.
    sources : tuple of (str, Path)
        What it was read from: ``labels`` or ``images``, and the file or folder.
    model : dict
        What is known about the model that made the masks: ``id``, ``revision``, ``dtype`` ...
    frames : range or list of int, optional
        Which frames of `labels` it consists of; default all.
    keep : callable, optional
        Gives the ids that belong to it in a frame of `labels`; default all.
    part : str
        ``train``, ``val`` or ``test``; empty where nothing is split.

    Raises
    ------
    InputError
        The images have another shape than the labels.
    """

    labels: LabelSource
    objects: Mapping[int, ObjectRecord] = field(default_factory=dict)
    name: str = "labels"
    images: FrameSource | None = None
    mapping: PixelMapping = field(default_factory=PixelMapping)
    sources: tuple[tuple[str, Path], ...] = ()
    model: Mapping[str, Any] = field(default_factory=dict)
    frames: Sequence[int] | None = None
    keep: Callable[[int], Collection[int]] | None = None
    part: str = ""

    def __post_init__(self) -> None:
        if not hasattr(self.labels, "planes"):
            object.__setattr__(self, "labels", LabelArray(self.labels))
        if self.images is not None and tuple(self.images.shape) != tuple(self.labels.shape):
            raise InputError(
                f"The images of {self.name} are {self.images.shape}, its labels "
                f"{self.labels.shape}.",
                "Give the images that the labels were drawn on.",
            )

    @property
    def shape(self) -> tuple[int, int, int]:
        """(T, H, W) of what is left after the selection."""
        _, height, width = self.labels.shape
        return len(self.source_frames), height, width

    @property
    def source_frames(self) -> Sequence[int]:
        """The frames of `labels` that it consists of."""
        return range(self.labels.shape[0]) if self.frames is None else self.frames

    def planes(self, frame: int) -> list[Labels]:
        """The label images (H, W) of a frame, only with what belongs to it."""
        check_frame(frame, len(self.source_frames))
        source = self.source_frames[frame]
        planes = self.labels.planes(source)
        if self.keep is None:
            return list(planes)
        kept = np.array(sorted(self.keep(source)), np.int64)
        return [np.where(np.isin(plane, kept), plane, 0) for plane in planes]

    def runs(self, frame: int) -> dict[int, ObjectRuns]:
        """The objects of a frame, by id.

        Raises
        ------
        InputError
            An object lies in several planes, which would give it two masks.
        """
        runs: dict[int, ObjectRuns] = {}
        source = self.source_frames[frame]
        for plane in self.labels.planes(source):
            found = object_runs(plane)
            twice = runs.keys() & found.keys()
            if twice:
                raise InputError(
                    f"Object {min(twice)} lies in several label planes of frame {frame}.",
                    "Merge them, or give it two ids.",
                )
            runs |= found
        if self.keep is not None:
            kept = set(self.keep(source))
            runs = {object_id: r for object_id, r in runs.items() if object_id in kept}
        return dict(sorted(runs.items()))

    def masks(self, frame: int) -> dict[int, npt.NDArray[np.bool_]]:
        """The masks (H, W) of a frame by object id."""
        return {object_id: runs.mask() for object_id, runs in self.runs(frame).items()}

    @cached_property
    def present(self) -> list[list[int]]:
        """The ids in each frame; every frame is read once to tell."""
        return [list(self.runs(frame)) for frame in range(self.shape[0])]

    def survey(self) -> Iterator[None]:
        """Read every frame for `present`, one a step, so that a caller can stop in between."""
        present = []
        for frame in range(self.shape[0]):
            present.append(list(self.runs(frame)))
            yield
        self.__dict__["present"] = present

    @cached_property
    def object_ids(self) -> list[int]:
        """All ids that are present, ascending."""
        return sorted({object_id for ids in self.present for object_id in ids})

    def record(self, object_id: int) -> ObjectRecord:
        """What is known about an object; frames count as in `labels`."""
        return self.objects.get(object_id) or ObjectRecord(object_id)

    def own_record(self, object_id: int) -> ObjectRecord:
        """What is known about an object within this stack; frames count as in `shape`."""
        record = self.record(object_id)
        number = {source: frame for frame, source in enumerate(self.source_frames)}

        def own(things: list[dict[str, Any]]) -> list[dict[str, Any]]:
            return [
                thing | {"frame": number[thing["frame"]]} if "frame" in thing else thing
                for thing in things
                if thing.get("frame") in number or "frame" not in thing
            ]

        return replace(
            record,
            prompts=own(record.prompts),
            scores={number[f]: score for f, score in record.scores.items() if f in number},
            verified_frames=[number[f] for f in record.verified_frames if f in number],
            verifications=own(record.verifications),
            place=[],  # the stack has no other axes
        )

    def select(
        self,
        frames: Sequence[int] | None = None,
        keep: Callable[[int], Collection[int]] | None = None,
        part: str = "",
    ) -> LabelledStack:
        """A part of the stack: of the frames, of the objects, or of both.

        Parameters
        ----------
        frames : sequence of int, optional
            Frames of this stack.
        keep : callable, optional
            Gives the ids to keep in a frame of `labels`.
        part : str
            What the part is called.
        """
        before = self.keep
        both = keep
        if before is not None and keep is not None:

            def both(frame: int) -> set[int]:
                return set(before(frame)) & set(keep(frame))

        own = self.source_frames
        chosen = range(len(own)) if frames is None else frames
        selected = replace(
            self, frames=[own[f] for f in chosen], keep=both or before, part=part or self.part
        )
        if "present" in self.__dict__:  # nothing has to be read again
            present = [self.present[frame] for frame in chosen]
            if keep is not None:
                kept = (set(keep(own[frame])) for frame in chosen)
                present = [
                    [i for i in ids if i in keeps] for ids, keeps in zip(present, kept, strict=True)
                ]
            selected.__dict__["present"] = present
        return selected


def layer_stack(
    layer: Any, images: FrameSource | None = None, labels: LabelSource | None = None
) -> LabelledStack:
    """A napari Labels layer, ours or not, as a labelled stack.

    Parameters
    ----------
    layer : napari.layers.Labels
        Its data are (T, Y, X) or (Y, X). ``metadata["sa2va"]`` has the records of layers that
        this plugin made; of others, columns of ``features`` named index, phrase, class or
        category, and parent are taken.
    images : FrameSource, optional
        The images that the labels belong to.
    labels : LabelSource, optional
        Its pixels, where the layer has other axes than those.
    """
    known = layer.metadata.get("sa2va", {})
    stored = known.get("objects", {}).values() if isinstance(known, dict) else ()
    objects = {values["object_id"]: ObjectRecord.from_dict(values) for values in stored}
    _add_features(objects, layer.features)
    source = getattr(layer.source, "path", None)
    known_model = {}
    if isinstance(known, dict) and known.get("model"):
        known_model = {"id": known["model"], **known.get("model_facts", {})}
    model = {name: value for name, value in known_model.items() if value}
    return LabelledStack(
        LabelArray(layer.data) if labels is None else labels,
        objects,
        name=known.get("image", layer.name) if isinstance(known, dict) else layer.name,
        images=images,
        mapping=PixelMapping(
            _three(layer.scale, 1.0), _three(layer.translate, 0.0), _three(layer.units, "pixel")
        ),
        sources=(("labels", Path(source)),) if source else (),
        model=model,
    )


def _add_features(objects: dict[int, ObjectRecord], features: Any) -> None:
    """What a table says of objects that have no record."""
    if "index" not in features:
        return
    for row in features.to_dict("records"):
        object_id = int(row["index"])
        if object_id <= 0 or object_id in objects:
            continue
        category = row.get("category") or row.get("class") or ""
        parent = row.get("parent") or 0
        objects[object_id] = ObjectRecord(
            object_id,
            str(row.get("phrase") or ""),
            category=str(category),
            parent=int(parent) if parent == parent else 0,  # NaN: nothing is known
        )


def _three(values: Sequence[Any], missing: Any) -> Any:
    """The values of the last three axes (t, y, x), as plain Python values."""
    plain = [str(v) if isinstance(missing, str) else float(v) for v in values][-3:]
    return (*[missing] * (3 - len(plain)), *plain)
