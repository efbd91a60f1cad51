"""Korean takes the right particles; every template of both languages can be said."""

import pytest

from napari_sa2va.training.meaning import Meaning, Reference
from napari_sa2va.training.phrasing import english_templates, korean_templates
from napari_sa2va.training.phrasing.particles import enumerated, particle, with_particles

CELL = Reference("class", (1,), "cell")


@pytest.mark.parametrize(
    ("noun", "forms"),
    [
        ("원", ("원을", "원이", "원은", "원과")),
        ("세포", ("세포를", "세포가", "세포는", "세포와")),
        ("별", ("별을", "별이", "별은", "별과")),
        ("동그라미", ("동그라미를", "동그라미가", "동그라미는", "동그라미와")),
        ("핵", ("핵을", "핵이", "핵은", "핵과")),
        ("A", ("A를", "A가", "A는", "A와")),
    ],
)
def test_particles_follow_the_last_syllable(noun, forms):
    assert tuple(noun + particle(noun, which) for which in ("을", "이", "은", "과")) == forms


def test_lists_are_joined_with_the_right_particle():
    assert enumerated(["빨간 원", "파란 세포"]) == "빨간 원과 파란 세포"
    assert enumerated(["세모", "네모", "별"]) == "세모, 네모와 별"


def test_every_template_renders():
    english = [text for forms in english_templates.TEMPLATES for text in forms]
    korean = [text for forms in korean_templates.TEMPLATES for text in forms]
    said = [text.format("the cell", "cell", "cells") for text in english]
    said += [text.format("핵", **with_particles("핵")) for text in korean]
    assert len(said) > 500
    assert not any("{" in text or "핵를" in text or "핵가" in text for text in said)


@pytest.mark.parametrize(
    ("meaning", "english", "korean"),
    [
        (
            Meaning("request", (Reference("size", (1,), "cell", rank="largest", nth=2),)),
            ("Please segment the second largest cell.", "Sure, [SEG]."),
            ("두 번째로 큰 세포를 분할해 주세요.", "네, [SEG]."),
        ),
        (
            Meaning("count", (CELL,), 5),
            ("How many cells are there?", "There are five cells."),
            ("세포가 몇 개 있나요?", "세포가 다섯 개 있습니다."),
        ),
        (
            Meaning("count", (Reference("class", (), "star", "red"),), 0),
            ("How many red stars are there?", "There are no red stars."),
            ("빨간 별이 몇 개 있나요?", "빨간 별은 없습니다."),
        ),
        (
            Meaning("where", (CELL,), "top left"),
            ("Where is the cell?", "It is at the top left."),
            ("세포는 어디에 있나요?", "왼쪽 위에 있습니다."),
        ),
        (
            Meaning("absent", (Reference("class", (), "star", "red"),)),
            ("Please segment the red star.", "There is no red star."),
            ("빨간 별을 분할해 주세요.", "빨간 별은 없습니다."),
        ),
        (
            Meaning(
                "request",
                (
                    Reference(
                        "several",
                        (1, 2),
                        parts=(
                            Reference("color and shape", (1,), "circle", "red"),
                            Reference("position", (2,), "star", place="left", extreme=True),
                        ),
                    ),
                ),
            ),
            (
                "Please segment the red circle and the leftmost star.",
                "Sure, the red circle [SEG] and the leftmost star [SEG].",
            ),
            (
                "빨간 원과 가장 왼쪽에 있는 별을 분할해 주세요.",
                "네, 빨간 원 [SEG] 그리고 가장 왼쪽에 있는 별 [SEG].",
            ),
        ),
        (
            Meaning(
                "request",
                (
                    Reference(
                        "relation",
                        (1,),
                        "circle",
                        relation="left",
                        anchor=Reference("color", (2,), "shape", "red"),
                    ),
                ),
            ),
            ("Please segment the circle left of the red shape.", "Sure, [SEG]."),
            ("빨간 도형의 왼쪽에 있는 원을 분할해 주세요.", "네, [SEG]."),
        ),
        (
            Meaning("caption", (CELL, Reference("class", (2,), "star", "blue"))),
            (
                english_templates.CAPTIONS.usual[0],
                "The image shows <p> a cell </p> [SEG] and <p> a blue star </p> [SEG].",
            ),
            (
                korean_templates.CAPTIONS.usual[0],
                "이미지에 <p> 세포 </p> [SEG], <p> 파란 별 </p> [SEG]이 있습니다.",
            ),
        ),
        (
            Meaning("movement", (CELL,), "left"),
            ("How does the cell move?", "It moves to the left."),
            ("세포는 어떻게 움직이나요?", "왼쪽으로 움직입니다."),
        ),
    ],
)
def test_one_meaning_in_two_languages(meaning, english, korean):
    assert (meaning.said("en").question, meaning.said("en").answer) == english
    assert (meaning.said("ko").question, meaning.said("ko").answer) == korean
