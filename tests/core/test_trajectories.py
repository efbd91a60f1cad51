"""Ways of objects by numbers."""

from __future__ import annotations

import pytest

from napari_sa2va.core.labelled import PixelMapping
from napari_sa2va.core.review import MaskFacts
from napari_sa2va.core.trajectories import told, way

PIXELS = PixelMapping()
UNITS = ("second", "micrometer", "micrometer")
MICROSCOPE = PixelMapping((30.0, 0.5, 0.5), (0.0, 10.0, 20.0), UNITS)


def facts(*places: tuple[int, float, float]) -> dict[int, MaskFacts]:
    return {frame: MaskFacts(100 + frame, y, x, 0.1) for frame, y, x in places}


def test_a_way_in_pixels() -> None:
    moved = way(facts((2, 0.0, 0.0), (3, 3.0, 4.0), (5, 3.0, 0.0)), PIXELS)
    assert moved.frames == (2, 3, 5)
    assert moved.steps == {3: 5.0, 5: 4.0}
    assert (moved.length, moved.displacement, moved.duration) == (9.0, 3.0, 3)
    assert moved.areas == (102.0, 103.0, 105.0)
    assert told(1, "cell", moved) == (
        "Object 1 (cell): in 3 frames, 2 to 5, missing in 1 between; moved 9 pixel "
        "in all, 3 pixel from its first place to its last, 3 pixel per frame; "
        "area 102 to 105 pixel²."
    )


def test_a_way_in_units() -> None:
    moved = way(facts((0, 0.0, 0.0), (2, 6.0, 8.0)), MICROSCOPE)
    assert moved.length == pytest.approx(5.0)
    assert (moved.duration, moved.unit, moved.time_unit) == (60.0, "micrometer", "second")
    assert moved.areas == pytest.approx((25.0, 25.5))
    said = told(3, "", moved)
    assert "for 60 second; moved 5 micrometer in all" in said
    assert "0.0833 micrometer per second" in said


def test_little_is_told_of_little() -> None:
    assert told(1, "", way({}, PIXELS)) == "Object 1 has no mask."
    assert "in frame 4 alone; area 104 pixel²" in told(1, "", way(facts((4, 0.0, 0.0)), PIXELS))
