"""No text is lost, special tokens are one token each, and so are the words of the templates."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer
from transformers import AutoTokenizer

from napari_sa2va.training.bodies import COLORS, NOUNS
from napari_sa2va.training.corpus import template_corpus
from napari_sa2va.training.phrasing import korean_words
from napari_sa2va.training.phrasing.particles import with_particles
from napari_sa2va.training.tokenizer import SPECIAL, VOCABULARY, build_tokenizer, write_tokenizer

SENTENCE = "The image shows <p> a red circle </p> [SEG]."
TOKENIZER = build_tokenizer(template_corpus())


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return TOKENIZER


def _pieces(text: str) -> list[str]:
    return [TOKENIZER.decode([number]) for number in TOKENIZER.encode(text).ids]


@given(st.text())
def test_any_text_comes_back(text):
    ids = TOKENIZER.encode(text).ids
    assert TOKENIZER.decode(ids, skip_special_tokens=False) == text


def test_special_tokens_come_last_with_one_id_each(tokenizer):
    assert tokenizer.get_vocab_size() == VOCABULARY
    ids = [tokenizer.token_to_id(token) for token in SPECIAL]
    assert ids == list(range(VOCABULARY - len(SPECIAL), VOCABULARY))
    assert all(len(tokenizer.encode(token).ids) == 1 for token in SPECIAL)


def test_colours_and_nouns_are_one_token(tokenizer):
    assert all(len(tokenizer.encode(f" {word}").ids) == 1 for word in (*COLORS, *NOUNS))


def test_english_words_are_one_token():
    assert _pieces("Please segment the second largest cell.") == [
        *("Please", " segment", " the", " second", " largest", " cell", ".")
    ]


@pytest.mark.parametrize("noun", [forms.usual[0] for forms in korean_words.NOUNS.values()])
def test_korean_stems_are_one_token_whatever_follows(noun):
    assert all(_pieces(f" {said}")[0] == f" {noun}" for said in with_particles(noun).values())


def test_korean_sentences_are_cut_at_their_particles():
    assert _pieces("가장 큰 세포를 분할해 주세요.") == [
        *("가장", " 큰", " 세포", "를", " 분할", "해", " 주세요", ".")
    ]


def test_merges_are_the_same_every_time(tokenizer):
    assert build_tokenizer(template_corpus()).to_str() == tokenizer.to_str()


def test_a_tokenizer_is_written_for_transformers(tmp_path, tokenizer):
    write_tokenizer(tokenizer, tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded(SENTENCE).input_ids == tokenizer.encode(SENTENCE).ids
    assert (loaded.eos_token, loaded.pad_token) == ("<|im_end|>", "<|endoftext|>")
