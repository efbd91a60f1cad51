"""docs/checkpoints.md says what the code knows and what the packs hold."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

from napari_sa2va.core.units import readable_count, readable_size
from napari_sa2va.models.known import PUBLISHED, SA2VA, KnownModel

REPOSITORY = Path(__file__).parents[1]
MODELS = [known for known in PUBLISHED if known.kind == SA2VA]


@pytest.fixture(scope="module")
def rows() -> dict[str, list[str]]:
    """The table's cells by id."""
    text = (REPOSITORY / "docs" / "checkpoints.md").read_text("utf-8")
    lines = [line.strip("| ").split(" | ") for line in text.splitlines() if "/Sa2VA" in line]
    return {name: cells for name, *cells in lines if len(cells) == 7}


def test_every_published_checkpoint_has_a_row(rows: dict[str, list[str]]) -> None:
    assert list(rows) == [known.name for known in MODELS]


@pytest.mark.parametrize("known", MODELS, ids=lambda known: known.name)
def test_memory_and_licence_are_the_code_s(rows: dict[str, list[str]], known: KnownModel) -> None:
    *_, total, half, whole, licence = rows[known.name]
    assert licence == (known.licence or "?")
    counted = known.parameters
    if counted is None:
        assert {total, half, whole} == {"?"}
        return
    assert total == readable_count(counted.total)
    assert (
        half
        == readable_size(counted.memory("bfloat16"))
        == readable_size(counted.memory("float16"))
    )
    assert whole == readable_size(counted.memory("float32"))


@pytest.mark.parametrize("known", MODELS, ids=lambda known: known.name)
def test_what_is_covered_is_there(
    shared: Path, rows: dict[str, list[str]], known: KnownModel
) -> None:
    _, covered, pack, *_ = rows[known.name]
    assert (shared / "golden" / pack / "recipe.json").is_file()
    assert (REPOSITORY / "tests" / "models" / f"test_golden_{pack}.py").is_file()
    keys = shared / "golden" / "keys" / f"{known.name.partition('/')[2]}.json.gz"
    assert covered == ("yes" if keys.is_file() else "no")
    if not keys.is_file():
        return
    published = json.loads(gzip.decompress(keys.read_bytes()))
    tested = (REPOSITORY / "tests" / "models" / "test_published_keys.py").read_text("utf-8")
    assert f'"{published["model"]}"' in tested
    total = sum(math.prod(shape) for shape in published["keys"].values())
    assert known.parameters is not None
    assert known.parameters.total == total
