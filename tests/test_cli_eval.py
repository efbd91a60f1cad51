"""`napari-sa2va eval`."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_sa2va import cli, export
from napari_sa2va.core.frames import ArrayFrames
from napari_sa2va.core.labelled import LabelArray, LabelledStack
from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.evaluation.kinds import KINDS
from napari_sa2va.sample_data import draw_moving_shapes


def test_help_names_all_kinds() -> None:
    assert tuple(KINDS) == cli._KINDS


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--kind imagenet", "no kind of data set"),
        ("--kind mevis", "meta_expressions.json"),
        ("--kind mevis --limit 0", "--limit must be at least 1"),
        ("--kind mevis --worst=-1", "--worst must be at least 0"),
    ],
)
def test_what_is_wrong_is_named_before_a_model_is_loaded(
    options: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"eval {tmp_path} -o {tmp_path / 'run'} --model nowhere {options}"
    assert cli.main(command.split()) == cli.ERROR
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Three frames of the drawn shapes, as MeViS and DAVIS have them."""
    sample = draw_moving_shapes()
    labelled = LabelledStack(
        LabelArray(sample.labels[:3]),
        {i: ObjectRecord(i, phrase) for i, phrase in sample.phrases.items()},
        "shapes",
        images=ArrayFrames(sample.frames[:3]),
    )
    for name in ("mevis", "davis"):
        export.write(labelled, tmp_path / name, name)
    return tmp_path


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ("--device cpu", "--device does not go with --server"),
        ("--token-file nowhere.txt", "nowhere.txt cannot be read"),
        ("", "Nobody answers at ws://localhost:1"),
    ],
)
def test_what_is_wrong_with_a_server_is_named(
    options: str, message: str, shapes: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = f"eval {shapes / 'mevis'} --kind mevis -o {shapes / 'run'} --server localhost:1"
    assert cli.main(f"{command} {options}".split()) == cli.ERROR
    assert message in capsys.readouterr().err


@pytest.mark.slow  # loads nano and tracks
def test_nano_is_measured_and_goes_on(shapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = f"eval {shapes / 'mevis'} --kind mevis --device cpu -o {shapes / 'run'}".split()
    assert cli.main([*command, "--limit", "1"]) == 0
    first = (shapes / "run" / "results.jsonl").read_text("utf-8")
    assert len(first.splitlines()) == 1
    capsys.readouterr()
    assert cli.main(command) == 0
    assert (shapes / "run" / "results.jsonl").read_text("utf-8").startswith(first)
    lines = capsys.readouterr().out.splitlines()
    group, name, percent, *_ = lines[0].split()
    assert (group, name) == ("all", "J&F")
    assert float(percent) > 50  # by colour and shape it finds most
    assert lines[-1].endswith("README.md")
    assert (shapes / "run" / "worst" / "01.png").is_file()


@pytest.mark.slow  # loads nano and tracks
def test_nano_follows_what_davis_gives(shapes: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = f"eval {shapes / 'davis'} --kind davis --split train --device cpu --prompt box"
    assert cli.main(f"{command} -o {shapes / 'run'}".split()) == 0
    percent = float(capsys.readouterr().out.split()[2])
    assert percent > 70
