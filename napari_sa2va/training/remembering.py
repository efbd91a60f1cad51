"""Stage `memory`: SAM 2's memory learns to carry masks over frames. It comes last: any change of
the mask decoder makes what the memory knows stale.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from napari_sa2va.training.batches import to_pixels
from napari_sa2va.training.clips import draw_clip
from napari_sa2va.training.drawing import SIZE
from napari_sa2va.training.losses import mask_losses
from napari_sa2va.training.precision import low_precision
from napari_sa2va.training.scene import MASK_STRIDE
from napari_sa2va.training.stage import ImageFeatures, RawDecoded, Stage, at_size, decode_prompts
from napari_sa2va.training.visual_prompts import draw_prompt

ABSENT = -1024.0  # logit of a mask whose object is judged absent, as in SAM 2
LENGTHS = (4, 4, 5, 7)
# Sa2VA grounds a phrase in each of the first frames, a user mostly in one.
PROMPTED_FRAMES = (1, 1, 1, 2, 4)
PRESENT = 2.0  # grid cells that an object must cover to count as there


@dataclass(frozen=True)
class ClipBatch:
    """Clips with visual prompts on the first frames; object n lives in clip `rows[n]`."""

    pixels: Tensor  # (B * T, 3, H, W)
    length: int
    rows: Tensor  # (N,)
    points: Tensor  # (F, N, P, 2), on the first F frames
    kinds: Tensor  # (F, N, P)
    targets: Tensor  # (T, N, G, G)


class ClipSource:
    """Draws clips with visual prompts, mostly of a quarter of SAM 2's input."""

    def __init__(
        self,
        rng: np.random.Generator,
        clips: int = 4,
        objects: int = 3,
        lengths: Sequence[int] = LENGTHS,
        large_every: int = 4,
    ) -> None:
        self.rng, self.clips, self.objects, self.lengths = rng, clips, objects, lengths
        self.large_every, self._drawn = large_every, 0

    def draw(self) -> ClipBatch:
        self._drawn += 1
        large = self._drawn % self.large_every == 0
        length = min(self.lengths) if large else int(self.rng.choice(self.lengths))
        prompted = min(length - 1, int(self.rng.choice(PROMPTED_FRAMES)))
        size = 2 * SIZE if large else SIZE
        drawn = [
            draw_clip(self.rng, length, steady=prompted > 1, size=size)
            for _ in range(1 if large else self.clips)
        ]
        point_count = int(self.rng.choice((1, 2)))
        rows, prompts, targets = [], [], []
        for row, clip in enumerate(drawn):
            for _ in range(self.objects):
                first = draw_prompt(self.rng, clip.scene(0), point_count)
                own = [first]
                for frame in range(1, prompted):
                    scene = clip.scene(frame)
                    there = (scene.labels == first.target).sum() > 0
                    own.append(
                        draw_prompt(self.rng, scene, point_count, first.target) if there else first
                    )
                rows.append(row)
                prompts.append(own)
                targets.append(clip.targets((first.target,)))
        points = np.stack([[prompt.points for prompt in own] for own in prompts], 1)
        kinds = np.stack([[prompt.kinds for prompt in own] for own in prompts], 1)
        return ClipBatch(
            pixels=to_pixels(np.concatenate([clip.frames for clip in drawn])),
            length=length,
            rows=torch.tensor(rows),
            points=torch.from_numpy(points),
            kinds=torch.from_numpy(kinds),
            targets=torch.from_numpy(np.stack(targets, 1)),
        )


class MemoryStage(Stage[ClipBatch]):
    """Memory attention, memory encoder and object pointers; all else is frozen."""

    name = "memory"
    learning_rate = 6e-4
    matrix_rate = 2e-3
    trained = (
        "grounding.memory_",
        "grounding.maskmem_tpos_enc",
        "grounding.obj_ptr_",
        "grounding.no_obj_ptr",
        "grounding.no_mem_pos_enc",
        "grounding.mask_downsample",
    )

    def losses(self, batch: ClipBatch) -> dict[str, Tensor]:
        zero = torch.zeros((), device=batch.pixels.device)
        total = zero
        measured: dict[str, Tensor] = {}
        for frame, decoded in enumerate(self._track(batch)):
            targets = batch.targets[frame]
            present = (targets.sum((1, 2)) > PRESENT).float()
            masks = mask_losses(decoded.logits, targets)
            count = present.sum().clamp(min=1)
            per_object = 2 * masks.cross_entropy + masks.dice
            per_object = per_object + (decoded.iou - masks.iou).square()
            presence = F.binary_cross_entropy_with_logits(decoded.presence[:, 0], present)
            total = total + (per_object * present).sum() / count + 0.3 * presence
            key = "iou_first" if frame == 0 else "iou_tracked"
            iou = (masks.iou * present).sum() / count
            measured[key] = measured.get(key, zero) + iou
        measured["iou_tracked"] = measured["iou_tracked"] / (batch.length - 1)
        return {"loss": total / batch.length, **measured}

    def _track(self, batch: ClipBatch) -> list[RawDecoded]:
        """SAM 2's track_step for all objects at once, keeping gradients through the memory."""
        sam2 = self.model.grounding
        at_size(sam2, batch.pixels.shape[-1])
        with torch.no_grad(), low_precision(batch.pixels):
            encoded = sam2.forward_image(batch.pixels)
        _, features, codes, sizes = sam2._prepare_backbone_features(encoded)
        prompted = len(batch.points)
        outputs: dict[str, Any] = {"cond_frame_outputs": {}, "non_cond_frame_outputs": {}}
        result = []
        for frame in range(batch.length):
            at = batch.rows * batch.length + frame
            now = [feature[:, at] for feature in features]
            with low_precision(batch.pixels):
                conditioned = sam2._prepare_memory_conditioned_features(
                    frame_idx=frame,
                    is_init_cond_frame=frame < prompted,
                    current_vision_feats=now[-1:],
                    current_vision_pos_embeds=[codes[-1][:, at]],
                    feat_sizes=sizes[-1:],
                    output_dict=outputs,
                    num_frames=batch.length,
                )
            stride4, stride8 = (
                feature.permute(1, 2, 0).unflatten(2, size)
                for feature, size in zip(now[:-1], sizes[:-1], strict=True)
            )
            points = (batch.points[frame], batch.kinds[frame]) if frame < prompted else None
            everyone = torch.arange(len(at), device=at.device)
            decoded = decode_prompts(
                sam2, ImageFeatures(conditioned, stride4, stride8), everyone, points
            )
            result.append(decoded)
            if frame < batch.length - 1:
                kind = "cond_frame_outputs" if frame < prompted else "non_cond_frame_outputs"
                outputs[kind][frame] = self._remember(decoded, now, sizes, frame < prompted)
        return result

    def _remember(
        self,
        decoded: RawDecoded,
        features: list[Tensor],
        sizes: list[tuple[int, int]],
        prompted: bool,
    ) -> dict[str, Any]:
        """What later frames look back at."""
        sam2 = self.model.grounding
        there = decoded.presence > 0
        logits = torch.where(there[..., None], decoded.logits, ABSENT)[:, None]
        large = F.interpolate(
            logits, scale_factor=MASK_STRIDE, mode="bilinear", align_corners=False
        )
        with low_precision(large):
            memory, codes = sam2._encode_new_memory(
                features, sizes, large, decoded.presence, prompted
            )
            pointer = torch.where(there, sam2.obj_ptr_proj(decoded.token), sam2.no_obj_ptr)
        return {"maskmem_features": memory, "maskmem_pos_enc": codes, "obj_ptr": pointer}
