from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sentencepiece import SentencePieceProcessor, SentencePieceTrainer

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.tokens import SEG, Tokens

TEXTS = [
    "Please segment the dividing cell on the left.",
    "Sure, it is the brightest nucleus of the image.",
    "How many cells are there in the image?",
    "가장 밝은 세포를 분할해 주세요.",
]
SIZE = 340
# As InternLM2 has them: some in SentencePiece's vocabulary, the rest after it.
WITHIN = {"<s>": 1, "</s>": 2}
AFTER = {"<|im_start|>": SIZE, "<|im_end|>": SIZE + 1, "<p>": SIZE + 2, "</p>": SIZE + 3}
ADDED = WITHIN | AFTER | {SEG: SIZE + 4}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint's tokenizer files, without tokenizer.json."""
    folder = tmp_path_factory.mktemp("sentencepiece")
    SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20),
        model_prefix=str(folder / "tokenizer"),
        model_type="bpe",
        vocab_size=SIZE,
        byte_fallback=True,
        character_coverage=1.0,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        minloglevel=2,
    )
    decoder = {str(number): {"content": token, "special": True} for token, number in ADDED.items()}
    (folder / "tokenizer_config.json").write_text(json.dumps({"added_tokens_decoder": decoder}))
    return folder


@pytest.fixture(scope="module")
def tokens(folder: Path) -> Tokens:
    return Tokens(folder)


@pytest.fixture(scope="module")
def pieces(folder: Path) -> SentencePieceProcessor:
    return SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


TEXT = st.one_of(
    st.sampled_from(TEXTS),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")),
)


@given(text=TEXT, more=TEXT)
def test_what_touches_is_read_as_one_text(
    tokens: Tokens, pieces: SentencePieceProcessor, text: str, more: str
) -> None:
    written = tokens.prompt().markup("<|im_start|>user\n").text(text).markup(more + "<|im_end|>\n")
    whole = pieces.encode(f"user\n{text}{more}")
    expected = [ADDED["<|im_start|>"], *whole, ADDED["<|im_end|>"], *pieces.encode("\n")]
    assert written.ids() == expected


@given(text=st.lists(st.one_of(TEXT, st.sampled_from(list(ADDED))), max_size=5).map("".join))
def test_user_text_never_becomes_a_special_token(tokens: Tokens, text: str) -> None:
    ids = tokens.encode_text(text)
    assert not set(ADDED.values()) & set(ids)
    assert tokens.decode(ids) == text


def test_added_tokens_stand_between_spaces(tokens: Tokens, pieces: SentencePieceProcessor) -> None:
    ids = tokens.encode_markup("Sure, <p>the cell</p>[SEG].</s>")
    assert [number for number in ids if number in ADDED.values()] == [
        ADDED[name] for name in ("<p>", "</p>", SEG, "</s>")
    ]
    assert tokens.decode(ids) == "Sure,  <p> the cell </p> [SEG] .</s>"
    assert tokens.decode([*ids, SIZE + 99]) == tokens.decode(ids)  # a row that is no word


def test_ids_of_an_answer_are_kept_in_a_prompt(tokens: Tokens) -> None:
    answer = tokens.encode_text("the cell")
    ids = tokens.prompt().markup("<s>say").tokens(answer).text("the").ids()
    assert ids == [1, *tokens.encode_text("say"), *answer, *tokens.encode_text("the")]


def test_added_tokens_may_be_in_a_file_of_their_own(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes())
    (tmp_path / "added_tokens.json").write_text(json.dumps(AFTER | {SEG: SIZE + 4}))
    assert Tokens(tmp_path).seg == SIZE + 4


def test_a_damaged_model_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes()[:200])
    with pytest.raises(CheckpointError, match="is damaged"):
        Tokens(tmp_path)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no tokenizer\.json and no tokenizer\.model"):
        Tokens(tmp_path)
