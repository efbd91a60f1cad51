"""What is known about an object, as the Labels layer keeps it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any


@dataclass
class ObjectRecord:
    """One object of a Labels layer.

    Attributes
    ----------
    object_id : int
        Its label value.
    phrase : str
        What it is called.
    prompts : list of dict
        What was said, clicked and drawn, in order: ``kind``, ``frame`` and the values; ``rejected``
        where a person found the mask there wrong since.
    scores : dict of int to float
        Predicted IoU by frame, 0 where it is judged absent; 1 where a person painted it, or another
        program gave no score.
    model : str
        Which checkpoint made the masks, with its revision.
    verified_frames : list of int
        Frames whose mask a person confirmed.
    verifications : list of dict
        Who judged what, and when: ``frame`` or ``expression``, ``by``, ``at`` (ISO 8601). An
        expression has ``fits``, too: whether that person found that it fits the masks.
    category : str
        Its class in a training set; empty where nobody named one.
    expressions : list of str
        Further phrases that refer to it; others may share them.
    verified_expressions : list of str
        Those phrases, `phrase` among them, that a person found to fit its masks.
    parent : int
        The object that it came from by division; 0 where there is none.
    locked : bool
        Whether nothing is to change its masks.
    hidden : bool
        Whether it is not drawn.
    place : list of int
        Which stack of the image its frames belong to, where the image has several: the index on
        each axis, -1 for the axis of the frames, -2 for those of a frame. Empty: not known.
    """

    object_id: int
    phrase: str = ""
    prompts: list[dict[str, Any]] = field(default_factory=list)
    scores: dict[int, float] = field(default_factory=dict)
    model: str = ""
    verified_frames: list[int] = field(default_factory=list)
    verifications: list[dict[str, Any]] = field(default_factory=list)
    category: str = ""
    expressions: list[str] = field(default_factory=list)
    verified_expressions: list[str] = field(default_factory=list)
    parent: int = 0
    locked: bool = False
    hidden: bool = False
    place: list[int] = field(default_factory=list)

    @property
    def mean_score(self) -> float:
        """Mean score over the frames in which the object is present; 0 if it never is."""
        present = [score for score in self.scores.values() if score > 0]
        return sum(present) / len(present) if present else 0.0

    @property
    def first_frame(self) -> int | None:
        """The first frame in which the object is present."""
        return min((frame for frame, score in self.scores.items() if score > 0), default=None)

    @property
    def last_frame(self) -> int | None:
        """The last frame in which the object is present."""
        return max((frame for frame, score in self.scores.items() if score > 0), default=None)

    @property
    def worst_score(self) -> float:
        """The lowest score over the frames in which the object is present; 0 if it never is."""
        return min((score for score in self.scores.values() if score > 0), default=0.0)

    @property
    def state(self) -> str:
        """How far a person went into it: "proposed", "edited" or "verified".

        Verified is every frame in which it is present; edited, some frame that a person painted,
        verified, or prompted after the first.
        """
        present = {frame for frame, score in self.scores.items() if score > 0}
        verified = set(self.verified_frames)
        if present and present <= verified:
            return "verified"
        by_hand = {p.get("frame") for p in self.prompts if p["kind"] in ("point", "box", "mask")}
        painted = any(p["kind"] == "mask" for p in self.prompts)
        return "edited" if verified or painted or len(by_hand) > 1 else "proposed"

    def is_at(self, place: Sequence[int]) -> bool:
        """Whether it belongs to the stack at a place; so does one of which that is not known."""
        return not self.place or self.place == list(place)

    @property
    def prompted_frames(self) -> set[int]:
        """Frames in which a person said, clicked, drew or painted the mask that is there."""
        frames = {p["frame"] for p in self.prompts if "frame" in p and not p.get("rejected")}
        return {frame for frame in frames if self.scores.get(frame, 0) > 0}

    def verify(self, frame: int, by: str, at: str) -> None:
        """Note that a person confirmed the mask of a frame: who, and when (ISO 8601)."""
        self.unverify(frame)
        self.verified_frames = sorted({*self.verified_frames, frame})
        self.verifications.append({"frame": frame, "by": by, "at": at})

    def unverify(self, frame: int) -> None:
        """Take a confirmation back."""
        self.verified_frames = [other for other in self.verified_frames if other != frame]
        self.verifications = [it for it in self.verifications if it.get("frame") != frame]

    def reject(self, frame: int) -> None:
        """Note that a person found the mask of a frame wrong: no prompt speaks for it any more."""
        self.unverify(frame)
        self.prompts = [
            prompt | {"rejected": True} if prompt.get("frame") == frame else prompt
            for prompt in self.prompts
        ]

    @property
    def phrases(self) -> list[str]:
        """All that it is called, its own phrase first, each once."""
        return list(dict.fromkeys(filter(None, (self.phrase, *self.expressions))))

    def call(self, phrase: str) -> None:
        """Take up a phrase that refers to it; one that is known already changes nothing."""
        phrase = phrase.strip()
        if not self.phrase:
            self.phrase = phrase
        elif phrase and phrase not in self.phrases:
            self.expressions = [*self.expressions, phrase]

    def set_phrases(self, phrases: Iterable[str]) -> None:
        """Refer to it by these alone, the first its own; judgements of others are dropped."""
        kept = list(dict.fromkeys(filter(None, (phrase.strip() for phrase in phrases))))
        self.phrase, self.expressions = (kept[0], kept[1:]) if kept else ("", [])
        self.verified_expressions = [it for it in self.verified_expressions if it in kept]
        self.verifications = [
            it for it in self.verifications if it.get("expression") in (None, *kept)
        ]

    def judge(self, expression: str, fits: bool | None, by: str, at: str) -> None:
        """Note whether a person finds that an expression fits the masks; None takes it back."""
        others = [other for other in self.verified_expressions if other != expression]
        self.verified_expressions = [*others, expression] if fits else others
        told = [it for it in self.verifications if it.get("expression") != expression]
        if fits is not None:
            told.append({"expression": expression, "fits": fits, "by": by, "at": at})
        self.verifications = told

    def judgement(self, expression: str) -> dict[str, Any] | None:
        """What a person said of an expression, as in `verifications`; None where nobody did."""
        told = (it for it in self.verifications if it.get("expression") == expression)
        return next(told, None)

    def referring(self, verified_only: bool = False) -> list[str]:
        """The phrases to train on: none that a person refused; perhaps only confirmed ones."""
        if verified_only:
            return [phrase for phrase in self.phrases if phrase in self.verified_expressions]
        refused = {it["expression"] for it in self.verifications if not it.get("fits", True)}
        return [phrase for phrase in self.phrases if phrase not in refused]

    def to_dict(self) -> dict[str, Any]:
        """Its fields as plain values, for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ObjectRecord:
        """A record from plain values; frames may have become strings on their way through JSON.

        Fields that this version does not know are left out.
        """
        known = {f.name for f in fields(cls)}
        record = cls(**{name: value for name, value in values.items() if name in known})
        record.scores = {int(frame): score for frame, score in record.scores.items()}
        return record
