"""An answer is judged by what it tells, in either language."""

import pytest

from napari_sa2va.training.judging import counted, judge
from napari_sa2va.training.meaning import MANY, Turn

RED_CIRCLE = (("red", "circle"),)
JUDGED = [
    ("color", "red", "It is red.", True),
    ("color", "red", "red", True),
    ("color", "red", "빨간색입니다.", True),
    ("color", "red", "It is blue.", False),
    ("color", "red", "It is red and blue.", False),
    ("color", "red", "Sure, [SEG].", False),
    ("color", "red", "파란색입니다.", False),
    ("shape", "star", "It is a star.<|im_end|>", True),
    ("shape", "circle", "It is a disc.", True),
    ("shape", "circle", "동그라미입니다.", True),
    ("shape", "star", "It is a ring.", False),
    ("shape", "star", "It is a star or a ring.", False),
    ("shape", "star", "별이나 원입니다.", False),
    ("nature", "cell", "They are nuclei.", True),
    ("nature", "coin", "세포입니다.", False),
    ("where", "top left", "It is at the top left.", True),
    ("where", "top left", "It is in the upper left corner.", True),
    ("where", "top left", "왼쪽 위에 있습니다.", True),
    ("where", "top left", "It is at the top.", False),
    ("where", "top", "It is at the top left.", False),
    ("where", "center", "가운데에 있습니다.", True),
    ("where", "right", "왼쪽에 있습니다.", False),
    ("existence", True, "Yes, there is.", True),
    ("existence", True, "No, there is not.", False),
    ("existence", False, "아니요, 없습니다.", True),
    ("existence", False, "네, 있습니다.", False),
    ("existence", True, "Yes, no.", False),
    ("moves", False, "아니요, 움직이지 않습니다.", True),
    ("count", 5, "There are five cells.", True),
    ("count", 5, "There are 5 cells.", True),
    ("count", 5, "세포가 다섯 개 있습니다.", True),
    ("count", 5, "There are four or five cells.", False),
    ("count", 15, "세포가 열다섯 개 있습니다.", True),
    ("count", 5, "세포가 열다섯 개 있습니다.", False),
    ("count", 0, "There are no red stars.", True),
    ("count", 0, "빨간 별은 없습니다.", True),
    ("count", MANY, "There are more than twenty cells.", True),
    ("count", MANY, "세포가 스무 개 넘게 있습니다.", True),
    ("count", 20, "세포가 스무 개 넘게 있습니다.", False),
    ("absent", None, "There is no red star.", True),
    ("absent", None, "빨간 별은 없습니다.", True),
    ("absent", None, "Sure, [SEG].", False),
    ("absent", None, "There is no red star. [SEG]", False),
    ("which", RED_CIRCLE, "It is the red circle.", True),
    ("which", RED_CIRCLE, "빨간 원입니다.", True),
    ("which", RED_CIRCLE, "It is the red star.", False),
    ("which", RED_CIRCLE, "It is the blue circle.", False),
    ("overview", (("red", "circle"), ("blue", "star")), "A blue star and a red circle.", True),
    ("overview", (("red", "circle"), ("blue", "star")), "A blue circle and a red star.", False),
    ("overview", 3, "The image shows three cells.", True),
    ("movement", "left", "It moves to the left.", True),
    ("movement", "left", "왼쪽으로 움직입니다.", True),
    ("movement", "up", "위로 움직입니다.", True),
    ("movement", "still", "움직이지 않습니다.", True),
    ("movement", "dividing", "It stays still.", False),
    ("movement", "leaving", "화면 밖으로 나갑니다.", True),
]


@pytest.mark.parametrize(("means", "value", "said", "right"), JUDGED)
def test_answers_are_judged_by_their_value(means, value, said, right):
    assert judge(Turn("?", "", (), means, value=value), said) is right


def test_a_request_wants_as_many_masks_as_it_names():
    turn = Turn("Segment the star and the ring.", "", ((1,), (2,)), "several")
    assert judge(turn, "Sure, the star [SEG] and the ring [SEG].")
    assert not judge(turn, "Sure, [SEG].")


@pytest.mark.parametrize(
    ("said", "number"),
    [
        ("There is one cell.", 1),
        ("There are twenty cells.", 20),
        ("There are seventeen cells.", 17),
        ("세포가 열아홉 개 있습니다.", 19),
        ("세포가 한 개 있습니다.", 1),
        ("There are 40 cells.", MANY),
        ("It is red.", None),
        ("", None),
    ],
)
def test_numbers_are_read_in_both_languages(said, number):
    assert counted(said) == number
