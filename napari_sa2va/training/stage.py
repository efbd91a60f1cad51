"""What the stages of training share: where scenes come from, what is trained, how it is fed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from napari_sa2va.models.grounding import encode_image
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.nuclei import NucleiImage, crop_nuclei
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.scenes import draw_scene

SLOW = 0.8
CROWD = 30  # shapes of a crowded scene, at most


@dataclass
class SceneSource:
    """A mix of drawn scenes and crops of real nuclei.

    Drawing costs as much as a training step; each scene is met two or three times, with other
    words and other clicks.
    """

    rng: np.random.Generator
    nuclei: Sequence[NucleiImage] = ()
    real: float = 0.1
    crowded: float = 0.1
    most: int = 8
    fewest: int = 1
    kind: str | None = None
    reuse: float = 0.6
    capacity: int = 400
    _kept: list[Scene] = field(default_factory=list)

    def draw(self) -> Scene:
        """One scene, new or met before."""
        if len(self._kept) >= self.capacity // 4 and self.rng.random() < self.reuse:
            return self._kept[int(self.rng.integers(len(self._kept)))]
        scene = self._new()
        while len(scene.objects) < self.fewest:
            scene = self._new()
        if len(self._kept) < self.capacity:
            self._kept.append(scene)
        else:
            self._kept[int(self.rng.integers(self.capacity))] = scene
        return scene

    def _new(self) -> Scene:
        chance = self.rng.random()
        if self.nuclei and chance < self.real:
            return crop_nuclei(self.rng, list(self.nuclei))
        crowded = chance < self.real + self.crowded
        return draw_scene(self.rng, CROWD if crowded else self.most, self.kind)


class Stage(ABC):
    """One stage: which parameters it trains, on what, towards what.

    Parameters
    ----------
    model : Sa2VA
        Trained in place.
    """

    name: ClassVar[str]
    learning_rate: ClassVar[float]
    trained: ClassVar[tuple[str, ...]]  # beginnings of the names of trained parameters
    frozen: ClassVar[tuple[str, ...]] = ()  # exceptions
    slow: ClassVar[tuple[str, ...]] = ()  # trained at `SLOW` of the learning rate

    def __init__(self, model: Sa2VA) -> None:
        self.model = model
        self.drawn = 0
        self.heads: nn.Module = nn.Identity()  # help in training, thrown away after it

    def turn_of(self, every: int) -> bool:
        """True once in so many draws; processes side by side take the same turns."""
        self.drawn += 1
        return self.drawn % every == 0

    @abstractmethod
    def draw(self) -> Any:
        """The next batch."""

    @abstractmethod
    def losses(self, batch: Any) -> dict[str, Tensor]:
        """What is minimised as `loss`, and whatever else is worth a column of the log."""

    def parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """The model's parameters that this stage trains; all others are frozen."""
        for name, parameter in self.model.named_parameters():
            trained = name.startswith(self.trained) and not name.startswith(self.frozen)
            parameter.requires_grad_(trained)
            if trained:
                yield name, parameter


@dataclass(frozen=True)
class ImageFeatures:
    """SAM 2's features of B images, ready for the mask decoder."""

    embedding: Tensor  # (B, C, 16, 16)
    stride4: Tensor
    stride8: Tensor


def encode(sam2: SAM2Base, pixels: Tensor) -> ImageFeatures:
    """Features of frames that have no memory to look at."""
    features = encode_image(sam2, pixels)
    embedding = features.top + sam2.no_mem_embed.view(1, -1, 1, 1)
    return ImageFeatures(embedding, features.stride4, features.stride8)


@dataclass(frozen=True)
class RawDecoded:
    """The mask decoder's output before absent objects are masked out, which has no gradient."""

    logits: Tensor  # (N, G, G)
    iou: Tensor  # (N,)
    token: Tensor  # (N, C)
    presence: Tensor  # (N, 1)


def decode_prompts(
    sam2: SAM2Base,
    features: ImageFeatures,
    rows: Tensor,
    points: tuple[Tensor, Tensor] | None = None,
    language: Tensor | None = None,
    mask_logits: Tensor | None = None,
) -> RawDecoded:
    """Decode N prompts on the images that `rows` names.

    Parameters
    ----------
    points : (N, P, 2) and (N, P) tensors, optional
        Coordinates (x, y) and SAM's labels.
    language : (N, C) tensor, optional
        Projected [SEG] states, appended after the padding point as Sa2VA does.
    mask_logits : (N, 1, G, G) tensor, optional
        Masks to start from.
    """
    if points is None:
        empty = torch.full((len(rows), 1), -1, dtype=torch.int32)
        points = (torch.zeros(len(rows), 1, 2), empty)
    sparse, dense = sam2.sam_prompt_encoder(points=points, boxes=None, masks=mask_logits)
    if language is not None:
        sparse = torch.cat([sparse, language[:, None].to(sparse.dtype)], 1)
    logits, iou, tokens, presence = sam2.sam_mask_decoder(
        image_embeddings=features.embedding[rows],
        image_pe=sam2.sam_prompt_encoder.get_dense_pe(),
        sparse_prompt_embeddings=sparse,
        dense_prompt_embeddings=dense,
        multimask_output=False,
        repeat_image=False,
        high_res_features=[features.stride4[rows], features.stride8[rows]],
    )
    return RawDecoded(logits[:, 0], iou[:, 0], tokens[:, 0], presence)
