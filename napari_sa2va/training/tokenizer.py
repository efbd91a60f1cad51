"""The nano tokenizer: byte-level BPE in the layout of Qwen 2, with Sa2VA's special tokens.

Every UTF-8 text has an encoding and comes back unchanged; what the model was trained on takes
about one token a word.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from tokenizers.trainers import BpeTrainer

from napari_sa2va.training import language, questions
from napari_sa2va.training.bodies import COLORS, SHAPES
from napari_sa2va.training.clips import draw_clip
from napari_sa2va.training.references import PLURALS
from napari_sa2va.training.scenes import draw_scene

END_OF_TEXT, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
IMAGE_START, IMAGE_END, IMAGE_CONTEXT = "<img>", "</img>", "<IMG_CONTEXT>"
SEG = "[SEG]"
SPECIAL = (
    *(END_OF_TEXT, TURN_START, TURN_END, IMAGE_START, IMAGE_END, IMAGE_CONTEXT),
    *("<quad>", "</quad>", "<ref>", "</ref>", "<box>", "</box>"),
    *(SEG, "<p>", "</p>", "<vp>", "</vp>"),
)
VOCABULARY = 1024
# How Qwen 2 cuts text before merging bytes.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*"
    r"|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Plain words that users write and the templates do not hold.
PLAIN = """
user assistant I would like you to help me with this picture thank you hello what can do here it
they them these those has have had was were will not any each other another between behind above
below under over next near far inside outside around edge border corner half dark light bright
small large big tiny long short thin thick old new first second third last time frame frames movie
sequence track follow mother daughter divide divides dividing division moving moves still growing
object tissue membrane cytoplasm background foreground noise nucleus nuclei mitosis bacteria colony
neuron fiber vessel grain bubble droplet particle tumor stain channel microscope micrograph shape
size area brightness intensity position which who why when because but or if then so than more less
most least same different similar like only also very please segment mask masks outline label
"""


def build_tokenizer(corpus: Iterable[str], vocabulary: int = VOCABULARY) -> Tokenizer:
    """Train the merges on a corpus; special tokens come last, one id each."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.ByteLevel(trim_offsets=False)
    trainer = BpeTrainer(
        vocab_size=vocabulary - len(SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(corpus, trainer)
    tokenizer.add_special_tokens([AddedToken(token, normalized=False) for token in SPECIAL])
    return tokenizer


def template_corpus(seed: int = 0, scenes: int = 1500) -> Iterator[str]:
    """Dialogue about drawn scenes, and every word alone, with and without a space before it."""
    rng = np.random.default_rng(seed)
    words = {*PLAIN.split(), *COLORS, *SHAPES, *PLURALS, *PLURALS.values(), *questions.NUMBERS}
    for word in sorted(words):
        # Often enough to become one token in each form in which it may stand.
        yield from (f" {word}", f" {word}", word, word.capitalize())
    for template in (*language.REQUESTS, *questions.OVERVIEWS, *questions.GROUNDED_OVERVIEWS):
        yield from [template.replace("{}", "the cells")] * 20
    for _ in range(scenes):
        scene = draw_scene(rng)
        for _ in range(6):
            turn = language.say(rng, scene)
            yield turn.question
            for piece in turn.answer.split(SEG):
                yield piece.replace("<p>", "").replace("</p>", "")
    for _ in range(scenes // 20):
        turn = language.say(rng, draw_clip(rng, 2).scene(), [language.ask_motion])
        yield turn.question


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Write the files by which tokenizers and transformers find it."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "Qwen2Tokenizer",
        "model_max_length": 4096,
        "bos_token": None,
        "eos_token": TURN_END,
        "pad_token": END_OF_TEXT,
        "unk_token": None,
        "errors": "replace",
        "clean_up_tokenization_spaces": False,
        "split_special_tokens": False,
        "added_tokens_decoder": {
            str(tokenizer.token_to_id(token)): {
                "content": token,
                "lstrip": False,
                "normalized": False,
                "rstrip": False,
                "single_word": False,
                "special": True,
            }
            for token in SPECIAL
        },
    }
    _write_json(folder / "tokenizer_config.json", config)
    tokens = {"eos_token": TURN_END, "pad_token": END_OF_TEXT}
    _write_json(folder / "special_tokens_map.json", tokens)


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
