"""What the language side sees of a stack."""

from __future__ import annotations

import numpy as np
import torch

from napari_sa2va.core.frames import FrameSource, RGBFrame
from napari_sa2va.core.masks import BoolMask
from napari_sa2va.engine.runtime import Runtime
from napari_sa2va.models.language import Visual


class Looking:
    """Embeds frames for the LLM; what was looked at last is kept for the next question.

    Parameters
    ----------
    runtime : Runtime
        The model, and where it computes.
    frames : FrameSource
        The stack. One frame is an image; more are a video, and may be seen in less detail.
    """

    def __init__(self, runtime: Runtime, frames: FrameSource) -> None:
        self._runtime = runtime
        self._frames = frames
        self._fitting = runtime.fitting()
        self._key: tuple[object, ...] = ()
        self._last: Visual | None = None

    @torch.inference_mode()
    def look(self, frames: tuple[int, ...], regions: list[BoolMask]) -> Visual:
        """The visual tokens of frames, and of regions (H, W) in the last of them.

        The same object as before where frames and regions are the same.
        """
        key = (frames, *(np.packbits(region).tobytes() for region in regions))
        if self._last is None or self._key != key:
            seen = [self._frames.frame(frame) for frame in frames]
            self._last = self._fitting.run(lambda: self._embed(seen, regions))
            self._key = key
        return self._last

    def _embed(self, frames: list[RGBFrame], regions: list[BoolMask]) -> Visual:
        is_video = self._frames.shape[0] > 1
        with self._runtime.language_context():
            return self._runtime.model.language.look(
                frames, regions, video=is_video, at_once=self._fitting.size
            )

    def forget(self) -> None:
        """Drop what was looked at."""
        self._key, self._last = (), None
