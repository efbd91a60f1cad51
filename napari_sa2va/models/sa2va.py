"""Sa2VA = language side + ``[SEG]`` projector + grounding (arXiv 2501.04001)."""

from __future__ import annotations

from typing import Any

import torch
from sam2.modeling.sam2_base import SAM2Base
from torch import nn

from napari_sa2va.models.grounding import compile_image_encoder
from napari_sa2va.models.language import LanguageSide


class Sa2VA(nn.Module):
    """The whole network.

    Parameters
    ----------
    language : LanguageSide
        Reads frames and text, writes text.
    grounding : SAM2Base
        Finds and tracks the masks.

    Attributes
    ----------
    text_hidden_fcs : nn.Sequential
        Projects the hidden state of ``[SEG]`` to SAM 2's width.
    """

    def __init__(self, language: LanguageSide, grounding: SAM2Base) -> None:
        super().__init__()
        # Any: training reaches into the parts of an InternVL, which is what it trains.
        self.language: Any = language
        self.grounding = grounding
        hidden = language.hidden_size
        self.text_hidden_fcs = nn.Sequential(
            nn.Linear(hidden, hidden),
            nn.ReLU(inplace=True),
            nn.Linear(hidden, grounding.hidden_dim),
        )

    def compile_parts(self) -> None:
        """Compile SAM 2's image encoder and the LLM's step, each when it is first used."""
        compile_image_encoder(self.grounding)
        self.language.compile_step()

    @property
    def device(self) -> torch.device:
        return next(self.text_hidden_fcs.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """What the language side computes in."""
        return next(self.text_hidden_fcs.parameters()).dtype
