"""Objects over frames: prompts, SAM 2's memory, streaming, batched over objects."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor

from napari_sa2va.core.masks import BoolMask
from napari_sa2va.core.prompts import FramePrompts
from napari_sa2va.engine import memory
from napari_sa2va.engine.masks import full_size_mask
from napari_sa2va.engine.memory import Conditioning, MemoryView, Recent, TrackedObject
from napari_sa2va.models.grounding import Decoded, FrameFeatures, decode, mask_as_output, upscale

# Elements of memory that one batch of objects may bring to attention: bounds the peak memory
# at 8 objects of SAM 2's usual size, and lets a small model take hundreds at once.
_MAX_BATCH_ELEMENTS = 64 * 2**20


@dataclass(frozen=True)
class TrackedMask:
    """The mask of one object in one frame.

    Attributes
    ----------
    logits : (1, h, w) tensor
        Low-resolution mask logits.
    score : float
        Predicted IoU.
    side : int
        To which side the logits are brought before they are brought to the data's size.
    """

    logits: Tensor
    score: float
    side: int


class Tracker:
    """Follows objects through the frames of one stack.

    Parameters
    ----------
    sam2 : SAM2Base
        The grounding network.
    features : callable
        Gives the features of a frame.
    shape : tuple of int
        (T, H, W) of the stack.
    autocast : callable
        Makes the context in which the network computes.
    at_once : callable, optional
        Of so many objects as would share a batch, how many do; default all.
    """

    def __init__(
        self,
        sam2: SAM2Base,
        features: Callable[[int], FrameFeatures],
        shape: tuple[int, int, int],
        autocast: Callable[[], AbstractContextManager[object]],
        at_once: Callable[[int], int] = int,
    ) -> None:
        self._at_once = at_once
        self._sam2 = sam2
        self._features = features
        self._shape = shape
        self._autocast = autocast
        self._reach = sam2.max_obj_ptrs_in_encoder
        # SAM 2 brings its masks to the data's size at once, Sa2VA by way of the input's size.
        self._side = sam2.image_size // 4 if sam2.plain else sam2.image_size
        self.objects: dict[int, TrackedObject] = {}

    @torch.inference_mode()
    def condition_on_language(
        self, frame: int, embeddings: Mapping[int, Tensor]
    ) -> dict[int, TrackedMask]:
        """Prompt objects in one frame with their projected ``[SEG]`` embeddings (C,)."""
        decoded, language = self._decode_language(frame, embeddings)
        for row, object_id in enumerate(embeddings):
            self._object(object_id).condition(
                frame, _conditioning(decoded, row, language=language[row])
            )
        return _masks(decoded, list(embeddings), self._side)

    @torch.inference_mode()
    def find(self, frame: int, embeddings: Mapping[int, Tensor]) -> dict[int, TrackedMask]:
        """What projected ``[SEG]`` embeddings (C,) mean in one frame; nothing remembers it.

        As in Sa2VA-i, the logits are to be brought to the data's size at once.
        """
        decoded, _ = self._decode_language(frame, embeddings)
        return _masks(decoded, list(embeddings), decoded.logits.shape[-1])

    @torch.inference_mode()
    def condition_on_masks(
        self, frame: int, given: Mapping[int, tuple[BoolMask, float]]
    ) -> dict[int, TrackedMask]:
        """Give objects their masks (H, W), and the scores of these, in one frame."""
        made = dict(zip(given, self._given(frame, list(given.values())), strict=True))
        for object_id, conditioning in made.items():
            self._object(object_id).condition(frame, conditioning)
        return {
            object_id: TrackedMask(conditioning.logits, conditioning.score, self._side)
            for object_id, conditioning in made.items()
        }

    @torch.inference_mode()
    def adopt(self, object_id: int, other: Tracker) -> None:
        """Take an object over from another tracker, with its masks."""
        before = other.objects[object_id]
        adopted = TrackedObject(tracked=dict(before.tracked))
        for frame, conditioning in before.conditioning.items():
            mask = full_size_mask(conditioning.logits, other._side, self._shape[1:])
            (adopted.conditioning[frame],) = self._given(frame, [(mask, conditioning.score)])
        self.objects[object_id] = adopted
        del other.objects[object_id]

    def _given(self, frame: int, masks: Sequence[tuple[BoolMask, float]]) -> list[Conditioning]:
        features = self._features(frame)
        squares = torch.cat([self._square(mask) for mask, _ in masks]).to(features.top.device)
        with self._autocast():
            decoded = mask_as_output(self._sam2, features, squares)
        made = [_conditioning(decoded, row) for row in range(len(masks))]
        for conditioning, (_, score) in zip(made, masks, strict=True):
            conditioning.score *= score
        return made

    def _decode_language(
        self, frame: int, embeddings: Mapping[int, Tensor]
    ) -> tuple[Decoded, Tensor]:
        """What the decoder makes of language prompts, without memory, and these as (B, 1, C)."""
        features = self._features(frame)
        language = torch.stack(list(embeddings.values()))[:, None]
        with self._autocast():
            conditioned = memory.attend(
                self._sam2, features.top, [MemoryView([], [])] * len(embeddings)
            )
            decoded = decode(
                self._sam2,
                conditioned,
                features,
                language=language,
                multimask=self._sam2._use_multimask(True, None),
            )
        return decoded, language

    @torch.inference_mode()
    def condition_on_prompts(
        self, object_id: int, frame: int, prompts: FramePrompts
    ) -> TrackedMask:
        """Prompt one object in one frame; what was said of it there before still holds."""
        tracked = self._object(object_id)
        before = tracked.conditioning.get(frame)
        features = self._features(frame)
        language = before.language if before else None
        start = self._start_mask(tracked, frame, prompts)
        with self._autocast():
            self._encode_conditioning(tracked)
            if prompts.mask is not None and not prompts.points and prompts.box is None:
                decoded = mask_as_output(
                    self._sam2, features, self._square(prompts.mask.mask).to(features.top.device)
                )
            else:
                seen = memory.view(self._sam2, tracked, frame, self._shape[0], reverse=False)
                points = self._points(prompts, features.top.device)
                decoded = decode(
                    self._sam2,
                    memory.attend(self._sam2, features.top, [seen]),
                    features,
                    points=points,
                    mask_logits=None if start is None else start[None].to(features.top.device),
                    language=None if language is None else language[None],
                    multimask=self._sam2._use_multimask(
                        not seen.spatial, None if points is None else {"point_labels": points[1]}
                    ),
                )
        tracked.condition(frame, _conditioning(decoded, 0, language, prompts))
        return _masks(decoded, [object_id], self._side)[object_id]

    @torch.inference_mode()
    def track(
        self, frame: int, object_ids: Sequence[int], reverse: bool = False
    ) -> dict[int, TrackedMask]:
        """The masks of objects in one frame.

        Conditioning frames give their own mask. Elsewhere objects are tracked from memory; those
        without any memory on the side that tracking comes from are left out.
        """
        masks = {}
        groups: dict[tuple[tuple[int, ...], int], list[tuple[int, MemoryView]]] = defaultdict(list)
        with self._autocast():
            for object_id in object_ids:
                tracked = self.objects[object_id]
                here = tracked.conditioning.get(frame)
                if here is not None:
                    masks[object_id] = TrackedMask(here.logits, here.score, self._side)
                elif _reaches(tracked, frame, reverse):
                    self._encode_conditioning(tracked)
                    seen = memory.view(self._sam2, tracked, frame, self._shape[0], reverse)
                    groups[seen.layout].append((object_id, seen))
            for group in groups.values():
                for batch in self._batches(group):
                    masks |= self._track_batch(frame, batch)
        return masks

    def _track_batch(
        self, frame: int, batch: Sequence[tuple[int, MemoryView]]
    ) -> dict[int, TrackedMask]:
        features = self._features(frame)
        decoded = decode(
            self._sam2,
            memory.attend(self._sam2, features.top, [seen for _, seen in batch]),
            features,
            multimask=self._sam2._use_multimask(False, None),
        )
        spatial = self._encode(features, decoded.logits, decoded.presence, False)
        for row, (object_id, _) in enumerate(batch):
            # Rows are copied: a view would keep the whole batch alive.
            self.objects[object_id].remember(
                frame,
                Recent(spatial[row].clone(), decoded.pointers[row].clone()),
                decoded.logits[row],
                self._reach,
            )
        return _masks(decoded, [object_id for object_id, _ in batch], self._side)

    def _batches(self, group: list[tuple[int, MemoryView]]) -> list[list[tuple[int, MemoryView]]]:
        elements = sum(features.numel() for _, features in group[0][1].spatial)
        elements *= max(1, self._sam2.hidden_dim // self._sam2.mem_dim)
        most = max(1, _MAX_BATCH_ELEMENTS // max(1, elements))
        size = self._at_once(min(most, len(group)))
        return [group[i : i + size] for i in range(0, len(group), size)]

    def _encode_conditioning(self, tracked: TrackedObject) -> None:
        for frame, conditioning in tracked.conditioning.items():
            if conditioning.features is None:
                conditioning.features = self._encode(
                    self._features(frame),
                    conditioning.logits[None],
                    conditioning.presence[None],
                    True,
                )[0]

    def _encode(
        self, features: FrameFeatures, logits: Tensor, presence: Tensor, prompted: bool
    ) -> Tensor:
        high_res = upscale(logits, self._sam2.image_size)
        return memory.encode(self._sam2, features.top, high_res, presence, prompted)

    def _start_mask(
        self, tracked: TrackedObject, frame: int, prompts: FramePrompts
    ) -> Tensor | None:
        """The mask that clicks refine: the given one, else the one that is there."""
        side = self._sam2.image_size // 4
        if prompts.mask is not None:
            square = self._square(prompts.mask.mask) * 20 - 10
            return F.interpolate(square, size=(side, side), mode="bilinear", antialias=True)[0]
        before = tracked.conditioning.get(frame)
        if before is None:
            seen = tracked.tracked_logits(frame)
            # It has another side where another SAM 2 tracked it.
            return None if seen is None else upscale(seen[None], side)[0]
        adds = before.prompts is None or set(before.prompts.points) <= set(prompts.points)
        return before.logits.clamp(-32, 32) if adds else None

    def _square(self, mask: np.ndarray) -> Tensor:
        """A mask (H, W) as (1, 1, S, S) float of 0 and 1."""
        size = self._sam2.image_size
        scaled = F.interpolate(
            torch.from_numpy(mask.astype(np.float32))[None, None],
            size=(size, size),
            mode="bilinear",
            antialias=True,
        )
        return (scaled >= 0.5).float()

    def _points(self, prompts: FramePrompts, device: torch.device) -> tuple[Tensor, Tensor] | None:
        """Clicks and box corners as (1, P, 2) coordinates (x, y) and (1, P) labels."""
        coordinates, labels = [], []
        if prompts.box is not None:
            box = prompts.box
            # SAM 2 learned boxes as the centres of the first and the last pixel inside.
            coordinates += [(box.y0, box.x0), (box.y1 - 1, box.x1 - 1)]
            labels += [2, 3]
        for point in prompts.points:
            coordinates.append((point.y, point.x))
            labels.append(int(point.positive))
        if not labels:
            return None
        _, height, width = self._shape
        size = self._sam2.image_size
        scaled = [
            ((x + 0.5) * size / width - 0.5, (y + 0.5) * size / height - 0.5)
            for y, x in coordinates
        ]
        return (
            torch.tensor([scaled], dtype=torch.float32, device=device),
            torch.tensor([labels], dtype=torch.int32, device=device),
        )

    def _object(self, object_id: int) -> TrackedObject:
        return self.objects.setdefault(object_id, TrackedObject())


def _reaches(tracked: TrackedObject, frame: int, reverse: bool) -> bool:
    if reverse:
        return any(t > frame for t in tracked.conditioning)
    return any(t < frame for t in tracked.conditioning)


def _conditioning(
    decoded: Decoded,
    row: int,
    language: Tensor | None = None,
    prompts: FramePrompts | None = None,
) -> Conditioning:
    return Conditioning(
        decoded.logits[row].clone(),
        decoded.pointers[row].clone(),
        decoded.presence[row].clone(),
        float(decoded.scores[row]),
        prompts,
        language,
    )


def _masks(decoded: Decoded, object_ids: Sequence[int], side: int) -> dict[int, TrackedMask]:
    scores = decoded.scores.tolist()
    return {
        object_id: TrackedMask(decoded.logits[row], scores[row], side)
        for row, object_id in enumerate(object_ids)
    }
