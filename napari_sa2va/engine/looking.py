"""What the language side sees of a stack."""

from __future__ import annotations

import torch

from napari_sa2va.core.frames import FrameSource
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.engine.chat import Visual
from napari_sa2va.engine.runtime import Runtime


class Looking:
    """Embeds frames for the LLM; what was looked at last is kept for the next question.

    Parameters
    ----------
    runtime : Runtime
        The model, and where it computes.
    frames : FrameSource
        The stack. One frame is an image and may become several tiles; more are a video, a tile
        each.
    """

    def __init__(self, runtime: Runtime, frames: FrameSource) -> None:
        self._runtime = runtime
        self._frames = frames
        self._last: Visual | None = None

    @torch.inference_mode()
    def look(self, frames: tuple[int, ...], regions: list[BoolMask]) -> Visual:
        """The visual tokens of frames, and of regions (H, W) in the last of them."""
        model = self._runtime.model
        language = model.language
        cells = language.region_cells(regions) if regions else None
        key = (frames, None if cells is None else tuple(cells.flatten().tolist()))
        if self._last is not None and self._last.key == key:
            return self._last
        if self._frames.shape[0] == 1:
            pixels = language.image_pixels(self._frames.frame(0))
            text = language.image_text(len(pixels), 1)
        else:
            pixels = language.video_pixels([self._frames.frame(frame) for frame in frames])
            text = language.image_text(1, len(pixels))
        with self._runtime.autocast():
            tiles = language.embed_images(pixels.to(model.device, model.dtype))
        embeddings = tiles.flatten(0, 1)
        if cells is not None:
            text += language.region_text(cells)
            embeddings = torch.cat([embeddings, *(tiles[-1][inside] for inside in cells)])
        self._last = Visual(key, text, embeddings)
        return self._last

    def forget(self) -> None:
        """Drop what was looked at."""
        self._last = None
