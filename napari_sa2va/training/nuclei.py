"""Crops of real, labelled nuclei as scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_sa2va.training.drawing import SIZE
from napari_sa2va.training.scene import Scene, describe

MOST = 200  # labels of a scene are 8-bit; few tissues hold more nuclei at a useful size


@dataclass(frozen=True)
class NucleiImage:
    """A micrograph in 8-bit RGB with its label image."""

    name: str
    image: NDArray[np.uint8]  # (H, W, 3)
    labels: NDArray[np.int32]  # (H, W)

    @property
    def kind(self) -> str:
        return "histology" if self.name.startswith("histology") else "fluorescence"


def read_nuclei(folder: Path, held_out: bool) -> list[NucleiImage]:
    """Read one side of the split of `NAME.tif` with `NAME_labels.tif`.

    Parameters
    ----------
    folder : Path
        Where the TIFF files lie.
    held_out : bool
        True for the 20 % that no training step sees (every fifth by the number in its name).
    """
    names = sorted(p.name.removesuffix("_labels.tif") for p in folder.glob("*_labels.tif"))
    return [_read(folder, name) for name in names if is_held_out(name) == held_out]


def is_held_out(name: str) -> bool:
    """Whether an image is kept for evaluation; its file name decides."""
    return int(name.rsplit("_", 1)[1]) % 5 == 4


def _read(folder: Path, name: str) -> NucleiImage:
    image = tifffile.imread(folder / f"{name}.tif")
    labels = tifffile.imread(folder / f"{name}_labels.tif").astype(np.int32)
    if image.ndim == 2:
        low, high = np.percentile(image, (1, 99.8))
        grey = np.clip((image - low) / max(high - low, 1), 0, 1) * 255
        image = np.repeat(grey[..., None], 3, axis=2)
    return NucleiImage(name, image[..., :3].astype(np.uint8), labels)


def crop_nuclei(rng: np.random.Generator, images: list[NucleiImage], size: int = SIZE) -> Scene:
    """Cut a crop at a random zoom, turn and flip it; tissue is drawn more often than its share."""
    tissue = [image for image in images if image.kind == "histology"]
    while True:
        pool = tissue if tissue and rng.random() < 0.3 else images
        source = pool[int(rng.integers(len(pool)))]
        window = _window(rng, *source.labels.shape)
        scene = _as_scene(rng, source, window, size)
        if scene is not None:
            return scene


def _window(rng: np.random.Generator, height: int, width: int) -> tuple[slice, slice]:
    """The whole image, squeezed, in a quarter of the draws; else a square of any zoom."""
    if rng.random() < 0.25:
        return slice(0, height), slice(0, width)
    side = max(48, int(min(height, width) * np.exp(rng.uniform(np.log(0.25), 0))))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return slice(y, y + side), slice(x, x + side)


def _as_scene(
    rng: np.random.Generator, source: NucleiImage, window: tuple[slice, slice], size: int
) -> Scene | None:
    """The crop at the size of the drawn scenes; None where it has no nucleus, or too many."""
    found, compact = np.unique(source.labels[window], return_inverse=True)
    if found[0] != 0:  # all foreground: no background to take the number 0
        compact = compact + 1
    count = int(compact.max())
    if not 1 <= count <= MOST:
        return None
    compact = compact.reshape(source.labels[window].shape).astype(np.uint8)
    image = np.asarray(Image.fromarray(source.image[window]).resize((size, size)))
    labels = np.asarray(Image.fromarray(compact).resize((size, size), Image.Resampling.NEAREST))
    image, labels = _turn(rng, image, labels)
    if source.kind == "fluorescence":
        image = _expose(rng, image)
    color = "purple" if source.kind == "histology" else None
    said: dict[int, dict[str, object]] = {
        number: {"noun": "nucleus", "color": color} for number in range(1, count + 1)
    }
    objects = describe(labels, said)
    return Scene(image, labels, objects, source.kind) if objects else None


def _turn(
    rng: np.random.Generator, image: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    quarters = int(rng.integers(4))
    image, labels = np.rot90(image, quarters), np.rot90(labels, quarters)
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(labels)


def _expose(rng: np.random.Generator, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Vary the contrast as users do; now and then show the signal dark on light."""
    if rng.random() < 0.5:
        image = (255 * (image / 255) ** rng.uniform(0.6, 1.6)).astype(np.uint8)
    return 255 - image if rng.random() < 0.1 else image
