"""The objects of one stack, each followed by one SAM 2 of those that are loaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from napari_sa2va.core.prompts import FramePrompts
from napari_sa2va.engine.fitting import Fitting
from napari_sa2va.engine.masks import full_size_mask
from napari_sa2va.engine.memory import TrackedObject
from napari_sa2va.engine.tracker import TrackedMask, Tracker


class Trackers:
    """Chooses which SAM 2 does what; masks are what they hand to each other.

    An object belongs to the tracker that took its last prompt: that one propagates it.

    Parameters
    ----------
    finds : Tracker
        Of the checkpoint's SAM 2, which understands the language prompt.
    clicks : Tracker
        Takes points, boxes and masks; may be the same.
    follows : Tracker, optional
        Takes what `finds` found, as masks, and follows it, which is Sa2VA-i's way (arXiv
        2509.19082). Default: the language prompt conditions `finds`, which is Sa2VA's way.
    shape : tuple of int
        (T, H, W) of the stack.
    fitting : Fitting
        Runs their steps.
    """

    def __init__(
        self,
        finds: Tracker,
        clicks: Tracker,
        follows: Tracker | None,
        shape: tuple[int, int, int],
        fitting: Fitting,
    ) -> None:
        self._fitting = fitting
        self._finds = finds
        self._clicks = clicks
        self._follows = follows
        self._shape = shape
        self._all = [finds] if clicks is finds else [finds, clicks]

    @property
    def objects(self) -> dict[int, TrackedObject]:
        """All objects by id; a copy."""
        return {
            object_id: tracked
            for tracker in self._all
            for object_id, tracked in tracker.objects.items()
        }

    def condition_on_language(
        self, frame: int, embeddings: Mapping[int, Tensor]
    ) -> dict[int, TrackedMask]:
        """Prompt objects in one frame with their projected ``[SEG]`` embeddings (C,)."""
        return self._fitting.run(lambda: self._ground_all(frame, embeddings))

    def _ground_all(self, frame: int, embeddings: Mapping[int, Tensor]) -> dict[int, TrackedMask]:
        rest = list(embeddings.items())
        masks: dict[int, TrackedMask] = {}
        size = self._fitting.size(len(rest))
        for start in range(0, len(rest), size):
            masks |= self._ground(frame, dict(rest[start : start + size]))
        return masks

    def _ground(self, frame: int, embeddings: Mapping[int, Tensor]) -> dict[int, TrackedMask]:
        if self._follows is None:
            return self._finds.condition_on_language(frame, embeddings)
        given = {
            object_id: (full_size_mask(found.logits, found.side, self._shape[1:]), found.score)
            for object_id, found in self._finds.find(frame, embeddings).items()
        }
        return self._follows.condition_on_masks(frame, given)

    def condition_on_prompts(
        self, object_id: int, frame: int, prompts: FramePrompts
    ) -> TrackedMask:
        """Prompt one object in one frame by what was clicked and drawn."""
        return self._fitting.run(lambda: self._prompt(object_id, frame, prompts))

    def _prompt(self, object_id: int, frame: int, prompts: FramePrompts) -> TrackedMask:
        owner = self._owner(object_id)
        if owner is not None and owner is not self._clicks:
            self._clicks.adopt(object_id, owner)
        return self._clicks.condition_on_prompts(object_id, frame, prompts)

    def track(
        self, frame: int, object_ids: Sequence[int], reverse: bool = False
    ) -> dict[int, TrackedMask]:
        """The masks of objects in one frame: see `Tracker.track`."""
        return self._fitting.run(lambda: self._track(frame, object_ids, reverse))

    def _track(
        self, frame: int, object_ids: Sequence[int], reverse: bool
    ) -> dict[int, TrackedMask]:
        masks: dict[int, TrackedMask] = {}
        for tracker in self._all:
            own = [object_id for object_id in object_ids if object_id in tracker.objects]
            masks |= tracker.track(frame, own, reverse)
        return masks

    def remove(self, object_id: int) -> None:
        """Forget an object."""
        for tracker in self._all:
            tracker.objects.pop(object_id, None)

    def clear(self) -> None:
        """Forget all objects."""
        for tracker in self._all:
            tracker.objects.clear()

    def _owner(self, object_id: int) -> Tracker | None:
        return next((tracker for tracker in self._all if object_id in tracker.objects), None)
