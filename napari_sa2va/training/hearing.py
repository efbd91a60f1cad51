"""The language side's pass over a packed batch."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import Tensor

from napari_sa2va.models.internvl import pixel_shuffle
from napari_sa2va.models.sa2va import Sa2VA
from napari_sa2va.training.batches import LanguageBatch
from napari_sa2va.training.looking import LAYER, MATCHING_LAYER
from napari_sa2va.training.precision import low_precision
from napari_sa2va.training.seeing import see


@dataclass(frozen=True)
class Heard:
    """What the language side makes of a batch."""

    hidden: Tensor  # (B, T, C), after the last norm
    entering: dict[int, Tensor]  # (B, T, C), as they enter the layers that are taught to look
    visual: Tensor  # (B * F, V, C), as they enter the LLM
    patches: Tensor  # (B * F, P, C), as they leave the vision tower


def hear(model: Sa2VA, batch: LanguageBatch, context: int) -> Heard:
    """Run the language side; `context` is the id of <IMG_CONTEXT>, where visual tokens go."""
    llm = model.language.llm.model
    with low_precision(batch.pixels):
        patches = see(model, batch.pixels)
        side = math.isqrt(patches.shape[1])
        grid = pixel_shuffle(patches.unflatten(1, (side, side)), model.language.downsample)
        visual = model.language.projector(grid.flatten(1, 2))
        embedded = llm.embed_tokens(batch.ids)
        place = (batch.ids == context)[..., None].expand_as(embedded)
        # Takes as many as there are places; images that no text speaks of come after them.
        embedded = embedded.masked_scatter(place, visual.to(embedded.dtype))
        states = llm(
            inputs_embeds=embedded,
            attention_mask=batch.visible,
            position_ids=batch.positions,
            use_cache=False,
            output_hidden_states=True,
        )
    taught = (MATCHING_LAYER, LAYER)
    entering = {layer: states.hidden_states[layer].float() for layer in taught}
    hidden = states.last_hidden_state
    return Heard(hidden.float(), entering, visual.float(), patches.float())
