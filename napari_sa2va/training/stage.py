"""What the stages of training share: where scenes come from, what is trained, how it is fed."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Generic, Protocol, TypeVar

import numpy as np
import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import Tensor, nn

from napari_sa2va.models.grounding import encode_image
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.drawing import SIZE
from napari_sa2va.training.nuclei import NucleiImage, crop_nuclei
from napari_sa2va.training.precision import low_precision
from napari_sa2va.training.scene import Scene
from napari_sa2va.training.scenes import KIND_SHARES, KINDS, draw_scene

Batch = TypeVar("Batch")
Drawn = TypeVar("Drawn", covariant=True)

SLOW = 0.3
# Objects of a scene with many, at most: most such scenes can be counted, and no number is left out
# between the few of the others and a crowd.
CROWDS = (14, 20, 60)


class Source(Protocol[Drawn]):
    """Whatever draws batches; worker processes may hold one each."""

    def draw(self) -> Drawn: ...


@dataclass
class SceneSource:
    """A mix of drawn scenes and crops of real nuclei.

    Drawing costs as much as a training step; each scene is met several times, with other words
    and other clicks.
    """

    rng: np.random.Generator
    nuclei: Sequence[NucleiImage] = ()
    real: float = 0.1
    crowded: float = 0.1
    most: int = 8
    fewest: int = 1
    kind: str | None = None
    shares: Sequence[float] = KIND_SHARES
    size: int = SIZE
    reuse: float = 0.7
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
            return crop_nuclei(self.rng, list(self.nuclei), self.size)
        crowded = chance < self.real + self.crowded
        most = int(self.rng.choice(CROWDS)) if crowded else self.most
        kind = self.kind or str(self.rng.choice(KINDS, p=self.shares))
        return draw_scene(self.rng, most, kind, self.size)


class Stage(ABC, Generic[Batch]):
    """One stage: which parameters it trains, and towards what.

    Parameters
    ----------
    model : Sa2VA
        Trained in place.
    """

    name: ClassVar[str]
    learning_rate: ClassVar[float]
    matrix_rate: ClassVar[float | None] = None  # of Muon on the matrices of the towers' layers
    trained: ClassVar[tuple[str, ...]]  # beginnings of the names of trained parameters
    frozen: ClassVar[tuple[str, ...]] = ()  # exceptions
    slow: ClassVar[tuple[str, ...]] = ()  # trained at `SLOW` of the learning rate

    def __init__(self, model: Sa2VA) -> None:
        self.model = model
        self.heads: nn.Module = nn.Identity()  # help in training, thrown away after it

    @abstractmethod
    def losses(self, batch: Batch) -> dict[str, Tensor]:
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

    embedding: Tensor  # (B, C, S/16, S/16)
    stride4: Tensor
    stride8: Tensor


def at_size(sam2: SAM2Base, size: int) -> None:
    """Let the prompt encoder expect images of another side than the checkpoint's, in place.

    Cells of the image embedding then keep their size in pixels, and a crop teaches what the whole
    image would, in a fraction of the time.
    """
    encoder = sam2.sam_prompt_encoder
    encoder.input_image_size = (size, size)
    encoder.image_embedding_size = (size // 16, size // 16)
    encoder.mask_input_size = (size // 4, size // 4)


def encode(sam2: SAM2Base, pixels: Tensor) -> ImageFeatures:
    """Features of frames that have no memory to look at."""
    at_size(sam2, pixels.shape[-1])
    with low_precision(pixels):
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
    """Decode one mask per prompt.

    Parameters
    ----------
    features : ImageFeatures
        Of the size that `at_size` was last told.
    rows : (N,) tensor
        Which image each prompt is about.
    points : pair of (N, P, 2) and (N, P) tensors, optional
        Coordinates (x, y) in pixels and SAM's point labels.
    language : (N, C) tensor, optional
        Projected [SEG] states, appended after the padding point as Sa2VA does.
    mask_logits : (N, 1, G, G) tensor, optional
        Masks to start from.
    """
    if points is None:
        empty = torch.full((len(rows), 1), -1, dtype=torch.int32, device=rows.device)
        points = (torch.zeros(len(rows), 1, 2, device=rows.device), empty)
    sparse, dense = sam2.sam_prompt_encoder(points=points, boxes=None, masks=mask_logits)
    if language is not None:
        sparse = torch.cat([sparse, language[:, None].to(sparse.dtype)], 1)
    codes = sam2.sam_prompt_encoder.get_dense_pe()
    # Not around the prompt encoder: angles in bfloat16 would be other places.
    with low_precision(sparse):
        logits, iou, tokens, presence = sam2.sam_mask_decoder(
            image_embeddings=features.embedding[rows],
            image_pe=codes,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=False,
            repeat_image=False,
            high_res_features=[features.stride4[rows], features.stride8[rows]],
        )
    return RawDecoded(
        logits[:, 0].float(), iou[:, 0].float(), tokens[:, 0].float(), presence.float()
    )
