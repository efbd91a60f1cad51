"""Every format, once: the Python API, the command line and napari take them from here."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast

from napari_sa2va.core.errors import InputError

if TYPE_CHECKING:
    from napari_sa2va.core.labelled import LabelledStack
    from napari_sa2va.export.dataset import Export
    from napari_sa2va.export.provenance import Provenance


class FormatModule(Protocol):
    """What the module of a format has."""

    def write(self, export: Export, variant: str) -> Iterator[None]:
        """Write into ``export.folder``, a frame a step."""
        ...

    def read(self, path: Path, provenance: Provenance) -> list[LabelledStack]:
        """Read what `write` wrote, or what another program wrote in that format."""
        ...

    def recognizes(self, path: Path) -> bool:
        """Whether a file or folder is of this format, without reading all of it."""
        ...


@dataclass(frozen=True)
class Format:
    """A format that labels are written in.

    Attributes
    ----------
    name : str
        As it is typed.
    title : str
        For people.
    module : str
        Within `napari_sa2va.export`.
    suffix : str
        Of the one file that a stack becomes; empty where it becomes a folder of files.
    readable : bool
        Whether it has one meaning as labels and can be imported.
    images : str
        Whether image files are part of it: ``required``, ``optional`` or ``never``.
    refers : bool
        Whether it names its images, which may then lie elsewhere; others find them by their place.
    variant : str
        Which of several formats of one module it is.
    """

    name: str
    title: str
    module: str
    suffix: str = ""
    readable: bool = True
    images: str = "optional"
    refers: bool = False
    variant: str = ""

    def is_file(self, target: Path) -> bool:
        """Whether `target` is the one file of a stack, not a folder of files."""
        return bool(self.suffix) and target.name.lower().endswith(self.suffix)

    def load(self) -> FormatModule:
        """Its module; readers and codecs are imported only now."""
        return cast(FormatModule, importlib.import_module(f"napari_sa2va.export.{self.module}"))


_ALL = (
    Format("coco", "COCO instances, run-length masks", "coco", refers=True, variant="rle"),
    Format("coco-polygons", "COCO instances, polygons", "coco", refers=True, variant="polygons"),
    Format("youtube-vis", "COCO video (YouTube-VIS)", "youtube_vis", refers=True),
    Format("yolo", "YOLO segmentation with data.yaml", "yolo"),
    Format("davis", "DAVIS indexed PNG", "davis"),
    Format("ctc", "Cell Tracking Challenge", "ctc"),
    Format("ome-tiff", "OME-TIFF labels", "ome_tiff", suffix=".ome.tif", images="never"),
    Format("ome-zarr", "OME-Zarr labels 0.5", "ome_zarr", suffix=".ome.zarr", variant="0.5"),
    Format("ome-zarr-0.4", "OME-Zarr labels 0.4", "ome_zarr", suffix=".ome.zarr", variant="0.4"),
    Format("cellpose", "Cellpose training pairs", "cellpose", images="required"),
    Format(
        "sa2va", "Sa2VA fine-tuning (annotations.json)", "sa2va", images="required", refers=True
    ),
    Format("mevis", "Referring video segmentation (MeViS, Ref-SAV)", "mevis"),
    Format("tiff", "Label TIFF", "plain", suffix=".tif", images="never", variant="tif"),
    Format("png", "Label PNG, one a frame", "plain", images="never", variant="png"),
    Format("npy", "NumPy array", "plain", suffix=".npy", images="never", variant="npy"),
    Format(
        "csv", "Measurements of objects", "table", suffix=".csv", readable=False, images="never"
    ),
)

FORMATS: dict[str, Format] = {format_.name: format_ for format_ in _ALL}


def format_named(name: str) -> Format:
    """The format of a name; InputError where there is none."""
    try:
        return FORMATS[name]
    except KeyError:
        raise InputError(
            f"There is no format {name!r}.", f"Choose one of {', '.join(FORMATS)}."
        ) from None


def format_of(path: Path) -> Format:
    """The format of a file or folder that is there; InputError where none is recognized."""
    for format_ in FORMATS.values():
        if format_.readable and format_.load().recognizes(path):
            return format_
    raise InputError(
        f"{path} is of no format that is known here.",
        f"Say which one it is: {', '.join(n for n, f in FORMATS.items() if f.readable)}.",
    )
