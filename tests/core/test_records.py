"""What is known about an object: its phrases, and what people said of them."""

from __future__ import annotations

from napari_sa2va.core.records import ObjectRecord

ADA = ("Ada", "2026-01-02T03:04:05+00:00")


def test_phrases_come_together_each_once() -> None:
    record = ObjectRecord(1)
    for phrase in ("the left cell", "  das linke ", "the left cell", "", "분열하는 세포"):
        record.call(phrase)
    assert record.phrase == "the left cell"
    assert record.expressions == ["das linke", "분열하는 세포"]


def test_a_judgement_is_kept_with_who_and_when_and_can_be_changed() -> None:
    record = ObjectRecord(1, "a", expressions=["b", "c"])
    record.judge("a", True, *ADA)
    record.judge("b", False, *ADA)
    assert record.judgement("a") == {"expression": "a", "fits": True, "by": "Ada", "at": ADA[1]}
    assert record.judgement("c") is None
    assert record.referring() == ["a", "c"]
    assert record.referring(verified_only=True) == record.verified_expressions == ["a"]
    record.judge("b", True, *ADA)
    record.judge("a", None, *ADA)
    assert record.referring() == ["a", "b", "c"]
    assert record.referring(verified_only=True) == ["b"]
    assert len(record.verifications) == 1


def test_judgements_go_with_their_phrases() -> None:
    record = ObjectRecord(1, "a", expressions=["b"], verified_frames=[3])
    record.verify(3, *ADA)
    record.judge("a", True, *ADA)
    record.judge("b", False, *ADA)
    record.set_phrases(["b", " new ", "b", ""])
    assert (record.phrase, record.expressions) == ("b", ["new"])
    assert record.verified_expressions == []
    assert [it.get("expression", it.get("frame")) for it in record.verifications] == [3, "b"]
    record.set_phrases([])
    assert record.phrases == []
    assert record.verified_frames == [3]
