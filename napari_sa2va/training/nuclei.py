"""Crops of real, labelled nuclei as scenes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from napari_sa2va.training.augmenting import is_purple, vary_signal, vary_stain
from napari_sa2va.training.drawing import SIZE
from napari_sa2va.training.scene import Scene, describe, mean_light

MOST = 255  # labels of a scene are 8-bit; few tissues hold more nuclei at a useful size
CLOSEST = 56  # pixels of an image that fill a scene at the highest zoom
BILINEAR = Image.Resampling.BILINEAR
RESAMPLINGS = (BILINEAR, Image.Resampling.BICUBIC)


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
    shorter = min(height, width)
    side = max(min(CLOSEST, shorter), int(shorter * np.exp(rng.uniform(np.log(0.25), 0))))
    y, x = int(rng.integers(height - side + 1)), int(rng.integers(width - side + 1))
    return slice(y, y + side), slice(x, x + side)


def _as_scene(
    rng: np.random.Generator, source: NucleiImage, window: tuple[slice, slice], size: int
) -> Scene | None:
    """The crop at the size of the drawn scenes; None where it has no nucleus, or too many."""
    cut = source.labels[window]
    present = np.bincount(cut.ravel()) > 0
    present[0] = False
    count = int(present.sum())
    if not 1 <= count <= MOST:
        return None
    compact = np.where(present, np.cumsum(present), 0).astype(np.uint8)[cut]
    labels = _resize_labels(compact, size)
    smooth = RESAMPLINGS[int(rng.integers(len(RESAMPLINGS)))]
    image = np.asarray(Image.fromarray(source.image[window]).resize((size, size), smooth))
    image, labels = _turn(rng, image, labels)
    color, brightness = None, None
    if source.kind == "histology":
        image = vary_stain(rng, image).image
        color = "purple" if labels.any() and is_purple(image, labels > 0) else None
    else:
        look = vary_signal(rng, image)
        image, color = look.image, look.tint
        brightness = None if look.inverted else mean_light(image, labels)
    said: dict[int, dict[str, object]] = {
        number: {
            "noun": "nucleus",
            "color": color,
            "brightness": None if brightness is None else float(brightness[number]),
        }
        for number in range(1, count + 1)
    }
    objects = describe(labels, said)
    return Scene(image, labels, objects, source.kind) if objects else None


def _resize_labels(labels: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Resize each label by itself, so that enlarged outlines are smooth and not stairs."""
    height, width = labels.shape
    if max(height, width) >= 2 * size:
        nearest = Image.Resampling.NEAREST
        return np.asarray(Image.fromarray(labels).resize((size, size), nearest))
    result = np.zeros((size, size), np.uint8)
    best = np.full((size, size), 127, np.uint8)  # of 255: more than half of a pixel
    order = np.argsort(labels, axis=None, kind="stable")
    starts = np.searchsorted(labels.ravel()[order], np.arange(int(labels.max()) + 2))
    down, across = height / size, width / size
    fade_y, fade_x = 2 * max(1, int(np.ceil(down))), 2 * max(1, int(np.ceil(across)))
    for label in range(1, int(labels.max()) + 1):
        y, x = np.divmod(order[starts[label] : starts[label + 1]], width)
        if not len(y):
            continue
        # A little more than the object, for it to fade out.
        y0, y1 = max(0, y.min() - fade_y), min(height, y.max() + 1 + fade_y)
        x0, x1 = max(0, x.min() - fade_x), min(width, x.max() + 1 + fade_x)
        top, bottom = int(np.ceil(y0 / down)), int(y1 / down + 1e-6)
        left, right = int(np.ceil(x0 / across)), int(x1 / across + 1e-6)
        if bottom <= top or right <= left:
            continue
        box = (left * across - x0, top * down - y0, right * across - x0, bottom * down - y0)
        box = (max(0, box[0]), max(0, box[1]), min(x1 - x0, box[2]), min(y1 - y0, box[3]))
        mask = Image.fromarray((labels[y0:y1, x0:x1] == label).view(np.uint8) * 255)
        fine = np.asarray(mask.resize((right - left, bottom - top), BILINEAR, box=box))
        view, seen = result[top:bottom, left:right], best[top:bottom, left:right]
        better = fine > seen
        view[better], seen[better] = label, fine[better]
    return result


def _turn(
    rng: np.random.Generator, image: NDArray[np.uint8], labels: NDArray[np.uint8]
) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    quarters = int(rng.integers(4))
    image, labels = np.rot90(image, quarters), np.rot90(labels, quarters)
    if rng.random() < 0.5:
        image, labels = image[:, ::-1], labels[:, ::-1]
    return np.ascontiguousarray(image), np.ascontiguousarray(labels)
