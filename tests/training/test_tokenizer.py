"""No text is lost, and Sa2VA's special tokens are one token each."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

import napari_sa2va
from napari_sa2va.training.tokenizer import SPECIAL, VOCABULARY, build_tokenizer, write_tokenizer

NANO = Path(napari_sa2va.__file__).parent / "models" / "nano"
SENTENCE = "The image shows <p> a red circle </p> [SEG]."


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(str(NANO / "tokenizer.json"))


@given(st.text())
def test_any_text_comes_back(text):
    tokenizer = Tokenizer.from_file(str(NANO / "tokenizer.json"))
    ids = tokenizer.encode(text).ids
    assert tokenizer.decode(ids, skip_special_tokens=False) == text


def test_korean_comes_back(tokenizer):
    text = "가장 큰 세포를 분할해 주세요."
    assert tokenizer.decode(tokenizer.encode(text).ids) == text


def test_special_tokens_are_one_id_each(tokenizer):
    assert tokenizer.get_vocab_size() == VOCABULARY
    assert len({tokenizer.encode(token).ids[0] for token in SPECIAL}) == len(SPECIAL)
    assert all(len(tokenizer.encode(token).ids) == 1 for token in SPECIAL)


def test_known_words_are_one_token(tokenizer):
    assert tokenizer.encode("Please segment the largest cell.").tokens == [
        *("Please", "Ġsegment", "Ġthe", "Ġlargest", "Ġcell", ".")
    ]


def test_transformers_reads_the_same_tokenizer(tokenizer):
    loaded = AutoTokenizer.from_pretrained(NANO)
    assert loaded(SENTENCE).input_ids == tokenizer.encode(SENTENCE).ids
    assert (loaded.eos_token, loaded.pad_token) == ("<|im_end|>", "<|endoftext|>")


def test_a_tokenizer_is_built_and_written(tmp_path):
    built = build_tokenizer(["the red circle", "all the cells"] * 9, vocabulary=300)
    write_tokenizer(built, tmp_path)
    assert AutoTokenizer.from_pretrained(tmp_path)(SENTENCE).input_ids == built.encode(SENTENCE).ids
