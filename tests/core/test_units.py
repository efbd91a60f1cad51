from __future__ import annotations

import pytest

from napari_sa2va.core.units import readable_count, readable_size, readable_time


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (15_770_000_000, "15.8 GB"), (2.5e6, "2.5 MB")],
)
def test_sizes_are_decimal(count: float, text: str) -> None:
    assert readable_size(count) == text


@pytest.mark.parametrize(("number", "text"), [(6_570_000, "6.6 M"), (3_941_809_714, "3.94 B")])
def test_parameters_are_counted_in_millions_and_billions(number: int, text: str) -> None:
    assert readable_count(number) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "1 s"), (80, "80 s"), (100, "2 min"), (3590, "1 h 00 min"), (7500, "2 h 05 min")],
)
def test_times_are_no_finer_than_a_person_waits(seconds: float, text: str) -> None:
    assert readable_time(seconds) == text
