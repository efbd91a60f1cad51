"""Parts of scenes, as SAM 2 sees small images: enlarged to its input."""

from __future__ import annotations

import numpy as np
from PIL import Image

from napari_sa2va.training.scene import Scene, describe


def window(rng: np.random.Generator, scene: Scene, side: int, enlarged: int = 1) -> Scene:
    """A window around a part of one of the scene's objects, large enough to be clicked.

    Parameters
    ----------
    side : int
        Pixels along each side of what is returned.
    enlarged : int
        How many of them a pixel of the scene becomes, along each axis.
    """
    if side == len(scene.labels) * enlarged:
        return scene
    part, seen = side // enlarged, None
    while seen is None or not seen.clickable:
        seen = _cut(rng, scene, part)
    if enlarged == 1:
        return seen
    image = Image.fromarray(seen.image).resize((side, side), Image.Resampling.BICUBIC)
    labels = seen.labels.repeat(enlarged, 0).repeat(enlarged, 1)
    return _measured(scene, np.asarray(image), labels)


def _cut(rng: np.random.Generator, scene: Scene, part: int) -> Scene:
    label = scene.clickable[int(rng.integers(len(scene.clickable)))]
    ys, xs = np.nonzero(scene.labels == label)
    some = int(rng.integers(len(ys)))  # a middle may lie beside its object, a pixel cannot
    corner = np.array((ys[some], xs[some])) - rng.uniform(0.1, 0.9, 2) * part
    y, x = np.clip(corner, 0, len(scene.labels) - part).astype(int)
    here = (slice(y, y + part), slice(x, x + part))
    return _measured(scene, scene.image[here], scene.labels[here])


def _measured(
    scene: Scene, image: np.typing.NDArray[np.uint8], labels: np.typing.NDArray[np.uint8]
) -> Scene:
    """The objects that are left, measured anew."""
    said: dict[int, dict[str, object]] = {
        it.label: {"noun": it.noun, "color": it.color, "brightness": it.brightness}
        for it in scene.objects
    }
    return Scene(image, labels, describe(labels, said), scene.kind)
