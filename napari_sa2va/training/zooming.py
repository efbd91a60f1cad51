"""Small images as SAM 2 sees them: enlarged to its input."""

from __future__ import annotations

import numpy as np
from PIL import Image

from napari_sa2va.training.scene import Scene, describe

ENLARGED = 2


def zoom(rng: np.random.Generator, scene: Scene) -> Scene:
    """A window of the same size out of the scene at twice its size, around one of its objects."""
    side = len(scene.labels)
    part = side // ENLARGED
    thing = scene.objects[int(rng.integers(len(scene.objects)))]
    middle = np.array((thing.y, thing.x)) * side + rng.uniform(-0.25, 0.25, 2) * part
    y, x = np.clip(middle - part / 2, 0, side - part).astype(int)
    window = (slice(y, y + part), slice(x, x + part))
    image = Image.fromarray(scene.image[window]).resize((side, side), Image.Resampling.BICUBIC)
    labels = scene.labels[window].repeat(ENLARGED, 0).repeat(ENLARGED, 1)
    said: dict[int, dict[str, object]] = {
        it.label: {"noun": it.noun, "color": it.color, "brightness": it.brightness}
        for it in scene.objects
    }
    objects = describe(labels, said)
    return Scene(np.asarray(image), labels, objects, scene.kind) if objects else scene
