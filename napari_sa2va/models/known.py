"""The published Sa2VA and SAM 2.1 checkpoints, as far as they are known without asking the Hub.

Ids, base models and language models are those of the tables in the official README
(github.com/bytedance/Sa2VA), in the card of ByteDance/Sa2VA-Qwen3-VL-4B, and in the README of
github.com/kumuji/Sa2VA-i. Licences and languages are those that stored copies of the Hub's pages
showed. What was not seen is None: the Hub is asked for it when the model is downloaded. So are the
revision and the download's size: no commit could be checked against the Hub when this was written.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

BUNDLED = "nano"

# A whole model, and a SAM 2 alone, which takes prompts beside one.
SA2VA, SAM2 = "Sa2VA", "SAM-2.1"

# Hiera-L with SAM 2's memory and decoder, the same in all sizes; Sa2VA-i has another decoder.
GROUNDING = 224_430_386
_SECOND_DECODER = 4_215_109

_BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}


@dataclass(frozen=True)
class Parameters:
    """How many numbers the two sides have.

    Attributes
    ----------
    language : int
        Vision tower, LLM and projectors, in the dtype that is chosen.
    grounding : int
        SAM 2, in float32 in any case.
    """

    language: int
    grounding: int

    @property
    def total(self) -> int:
        return self.language + self.grounding

    def memory(self, dtype: str) -> int:
        """Bytes of the weights alone; images, the LLM's cache and SAM 2's memory come on top."""
        return self.language * _BYTES[dtype] + self.grounding * _BYTES["float32"]


@dataclass(frozen=True)
class KnownModel:
    """A published checkpoint; what is None is unknown until the Hub is asked.

    Attributes
    ----------
    name : str
        The id on the Hub, or ``"nano"``.
    base, language_model : str
        The multimodal LLM that it was made from, and that one's LLM.
    parameters : Parameters, optional
        Counted from the shapes of all weights.
    licence : str, optional
        SPDX-like name, as the Hub shows it.
    languages : tuple of str
        As the Hub shows them; empty if unknown.
    revision : str, optional
        The commit to download.
    kind : str
        `SA2VA` or `SAM2`; empty for models that users added.
    """

    name: str
    base: str
    language_model: str
    parameters: Parameters | None = None
    licence: str | None = None
    languages: tuple[str, ...] = ()
    revision: str | None = None
    kind: str = ""


# Counted from the names and shapes of the modules at the published sizes, the vocabulary included,
# which tests do again; vocabularies of the two with a key list are the list's, a thousandth larger.
_LANGUAGE = {
    "Sa2VA-1B": 939_235_328,
    "Sa2VA-4B": 3_717_379_328,
    "Sa2VA-8B": 8_093_236_480,
    "Sa2VA-26B": 25_553_575_552,
    "Sa2VA-InternVL3-2B": 2_091_727_104,
    "Sa2VA-InternVL3-8B": 7_958_176_000,
    "Sa2VA-InternVL3-14B": 15_144_838_400,
    "Sa2VA-Qwen2_5-VL-3B": 4_070_508_800,
    "Sa2VA-Qwen2_5-VL-7B": 8_303_108_864,
    "Sa2VA-Qwen3-VL-2B": 2_442_344_704,
    "Sa2VA-Qwen3-VL-4B": 4_833_983_744,
}


def _seen(size: str, base: str, language_model: str) -> KnownModel:
    """A checkpoint whose page on the Hub was seen: licence and languages are what it shows."""
    known = _unseen(size, base, language_model)
    return replace(known, licence="apache-2.0", languages=("multilingual",))


def _unseen(size: str, base: str, language_model: str) -> KnownModel:
    counted = Parameters(_LANGUAGE[size], GROUNDING)
    return KnownModel(f"ByteDance/{size}", base, language_model, counted, kind=SA2VA)


def _improved(size: str, language_model: str) -> KnownModel:
    """One of Sa2VA-i, which has another mask decoder beside that of the checkpoint it improves."""
    base = f"Sa2VA-{size}"
    counted = Parameters(_LANGUAGE[base], GROUNDING + _SECOND_DECODER)
    return KnownModel(f"kumuji/Sa2VA-i-{size}", base, language_model, counted, kind=SA2VA)


def _sam2(size: str, parameters: int) -> KnownModel:
    name, counted = f"facebook/sam2.1-hiera-{size}", Parameters(0, parameters)
    return KnownModel(name, "", "", counted, "apache-2.0", kind=SAM2)


PUBLISHED = (
    _seen("Sa2VA-1B", "InternVL2.5-1B", "Qwen2.5-0.5B-Instruct"),
    _seen("Sa2VA-4B", "InternVL2.5-4B", "Qwen2.5-3B-Instruct"),
    _seen("Sa2VA-8B", "InternVL2.5-8B", "internlm2_5-7b-chat"),
    _seen("Sa2VA-26B", "InternVL2.5-26B", "internlm2_5-20b-chat"),
    _unseen("Sa2VA-InternVL3-2B", "InternVL3-2B", "Qwen2.5-1.5B"),
    _unseen("Sa2VA-InternVL3-8B", "InternVL3-8B", "Qwen2.5-7B"),
    _unseen("Sa2VA-InternVL3-14B", "InternVL3-14B", "Qwen2.5-14B"),
    _unseen("Sa2VA-Qwen2_5-VL-3B", "Qwen2.5-VL-3B-Instruct", "Qwen2.5-3B"),
    _unseen("Sa2VA-Qwen2_5-VL-7B", "Qwen2.5-VL-7B-Instruct", "Qwen2.5-7B"),
    _unseen("Sa2VA-Qwen3-VL-2B", "Qwen3-VL-2B-Instruct", "Qwen3-1.7B"),
    _seen("Sa2VA-Qwen3-VL-4B", "Qwen3-VL-4B-Instruct", "Qwen3-4B"),
    _improved("1B", "Qwen2.5-0.5B-Instruct"),
    _improved("4B", "Qwen2.5-3B-Instruct"),
    _improved("8B", "internlm2_5-7b-chat"),
    _improved("26B", "internlm2_5-20b-chat"),
    _sam2("tiny", 38_962_754),
    _sam2("small", 46_060_610),
    _sam2("base-plus", 80_850_434),
    _sam2("large", 224_446_898),
)
