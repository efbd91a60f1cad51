"""A run: what is asked, what is measured, how it goes on, and what it leaves to read."""

from __future__ import annotations

import csv
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

from napari_sa2va import export
from napari_sa2va.core.errors import BackendError, InputError
from napari_sa2va.core.frames import FrameSource
from napari_sa2va.evaluation.asking import prompt_of
from napari_sa2va.evaluation.dataset import Dataset
from napari_sa2va.evaluation.figures import figures
from napari_sa2va.evaluation.kinds import KINDS
from napari_sa2va.evaluation.published import benchmarks, published
from napari_sa2va.evaluation.report import write_report
from napari_sa2va.evaluation.results import LINES, PREDICTIONS, Results
from napari_sa2va.evaluation.run import run, settings_of
from tests.evaluation.examples import Oracle, Video, run_lengths, stack, write_images, write_json

LABELS = np.stack([stack().planes(frame)[0] for frame in range(5)])
TRUE = {
    "Please segment the upper left disc.": (1,),
    "Please segment the middle disc.": (2,),
    "Please segment every disc.": (1, 2, 7),
    "Please segment 오른쪽 원.": (7,),
}


def knows_all(text: str) -> Mapping[int, Video]:
    """Each object by itself, as a model answers with several."""
    return {number: np.equal(LABELS, i) for number, i in enumerate(TRUE[text], 1)}


@pytest.fixture(scope="module")
def mevis(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = tmp_path_factory.mktemp("mevis") / "valid_u"
    export.write(stack(), path, "mevis")
    return KINDS["mevis"].read(path.parent)


def _results(dataset: Dataset, folder: Path, model: str = "oracle") -> Results:
    return Results(folder, settings_of(dataset, {"model": model}))


def _go(dataset: Dataset, oracle: Oracle, folder: Path) -> dict[tuple[str, str], float]:
    results = _results(dataset, folder)
    steps = list(run(dataset, oracle.open, results))
    assert steps[-1].done == steps[-1].total == len(dataset.samples)
    assert oracle.opened == oracle.closed
    return {(figure.group, figure.name): figure.value for figure in figures(dataset, results)}


def test_a_model_that_knows_all_has_100_percent(mevis: Dataset, tmp_path: Path) -> None:
    oracle = Oracle(knows_all)
    told = _go(mevis, oracle, tmp_path / "run")
    assert told == {("all", "J&F"): 1, ("all", "J"): 1, ("all", "F"): 1}
    assert sorted(oracle.asked) == sorted(TRUE)
    assert oracle.opened == 1  # one video: it is opened and embedded once


def test_a_model_that_finds_nothing_is_right_where_there_is_nothing(
    mevis: Dataset, tmp_path: Path
) -> None:
    told = _go(mevis, Oracle(), tmp_path / "run")
    assert told["all", "J"] == told["all", "F"] == pytest.approx(1 / 5)  # of five frames one


def test_a_run_goes_on_where_it_was_killed(mevis: Dataset, tmp_path: Path) -> None:
    first = Oracle(knows_all)
    steps = run(mevis, first.open, _results(mevis, tmp_path / "run"))
    assert [next(steps).done for _ in range(3)] == [0, 1, 2]
    steps.close()
    lines = tmp_path / "run" / LINES
    whole = lines.read_bytes()
    lines.write_bytes(whole + b'{"key": "cells/2", "st')  # killed within a line
    second = Oracle(knows_all)
    told = _go(mevis, second, tmp_path / "run")
    assert lines.read_bytes().startswith(whole)
    assert len(lines.read_text("utf-8").splitlines()) == 4
    assert sorted(first.asked + second.asked) == sorted(TRUE)
    assert told["all", "J&F"] == 1
    third = Oracle()
    _go(mevis, third, tmp_path / "run")
    assert third.asked == []


def test_what_failed_is_told_and_can_go_on(mevis: Dataset, tmp_path: Path) -> None:
    oracle = Oracle(knows_all, fails_at="Please segment every disc.")
    results = _results(mevis, tmp_path / "run")
    with pytest.raises(BackendError, match="The model is gone"):
        list(run(mevis, oracle.open, results))
    assert oracle.closed == 1
    assert 0 < len(results.done) < 4
    assert _go(mevis, Oracle(knows_all), tmp_path / "run")["all", "J&F"] == 1


def test_another_run_is_not_mixed_in(mevis: Dataset, tmp_path: Path) -> None:
    _results(mevis, tmp_path / "run")
    with pytest.raises(InputError, match="a run with model 'oracle', not 'other'"):
        _results(mevis, tmp_path / "run", "other")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="not empty"):
        _results(mevis, tmp_path / "full")


def test_a_damaged_line_is_named(mevis: Dataset, tmp_path: Path) -> None:
    _results(mevis, tmp_path / "run")
    (tmp_path / "run" / LINES).write_text('{"key": 1}\n')
    with pytest.raises(InputError, match=r"Line 1 of .*results.jsonl is damaged"):
        _results(mevis, tmp_path / "run")


def test_a_question_needs_a_place(mevis: Dataset) -> None:
    with pytest.raises(InputError, match="no place"):
        settings_of(mevis, {}, "Segment it.")


def test_the_report_has_tables_plots_and_the_worst(mevis: Dataset, tmp_path: Path) -> None:
    def misses_one(text: str) -> Mapping[int, Video]:
        return {} if "middle" in text else knows_all(text)

    folder = tmp_path / "run"
    results = _results(mevis, folder)
    assert write_report(mevis, results) == []
    list(run(mevis, Oracle(misses_one).open, results))
    write_report(mevis, results, worst=2)
    with (folder / "summary.csv").open(encoding="utf-8") as stream:
        summary = {(row["group"], row["figure"]): row for row in csv.DictReader(stream)}
    assert float(summary["all", "J"]["value"]) == pytest.approx((1 + 1 + 1 + 1 / 5) / 4, abs=1e-4)
    with (folder / "cases.csv").open(encoding="utf-8") as stream:
        cases = {row["text"]: row for row in csv.DictReader(stream)}
    assert cases["the middle disc"]["is found"] == "0"
    assert cases["오른쪽 원"]["J"] == "1.0000"
    text = (folder / "README.md").read_text("utf-8")
    assert "| this run | J&F | 80.0 | 4 of 4 samples |" in text
    assert "| Sa2VA-8B | J&F | 58.9 | Sa2VA, arXiv:2501.04001, Table 8 (InternVL2.5) |" in text
    assert text.index("| this run |") < text.index("| Sa2VA-8B |")
    assert text.index("the middle disc") < text.index("worst/02.png")
    written = {p.relative_to(folder).as_posix() for p in folder.rglob("*.png")}
    plots = {"plots/distribution.png", "plots/comparison.png"}
    assert written == {*plots, "worst/01.png", "worst/02.png"}


def test_masks_that_are_gone_are_named(mevis: Dataset, tmp_path: Path) -> None:
    results = _results(mevis, tmp_path / "run")
    list(run(mevis, Oracle(knows_all).open, results, limit=1))
    for file in (tmp_path / "run" / PREDICTIONS).iterdir():
        file.unlink()
    with pytest.raises(InputError, match=r"masks of cells/0, cannot be read"):
        write_report(mevis, results)


def test_groups_have_figures_and_a_mean(tmp_path: Path) -> None:
    # Two referring expressions, one found; one of reasoning, found: overall is the mean of groups.
    found = LABELS > 0
    expressions = {
        str(number): {"exp": text, "anno_id": [1], "type_id": kind}
        for number, (text, kind) in enumerate([("a", 0), ("b", 0), ("Which?", 1)])
    }
    names = [f"{frame:05d}" for frame in range(5)]
    video = {"frames": names, "expressions": expressions}
    write_json(tmp_path / "d/meta_expressions_valid_.json", {"videos": {"v": video}})
    write_json(tmp_path / "d/mask_dict.json", {"1": run_lengths(found)})
    write_images(tmp_path / "d/JPEGImages/v", [f"{n}.jpg" for n in names], np.zeros((5, 96, 96)))
    oracle = Oracle(lambda text: {} if text == "Please segment b." else {1: found})
    told = _go(KINDS["revos"].read(tmp_path / "d"), oracle, tmp_path / "run")
    assert oracle.asked == ["Please segment a.", "Please segment b.", "Which?"]
    assert told["referring", "J"] == pytest.approx(0.6)
    assert told["reasoning", "J"] == 1
    assert told["overall", "J"] == pytest.approx(0.8)
    assert told["all", "J"] == pytest.approx((1 + 0.2 + 1) / 3)


def test_davis_gives_the_first_frame_and_leaves_it_out(tmp_path: Path) -> None:
    export.write(stack(), tmp_path / "d", "davis")
    dataset = KINDS["davis"].read(tmp_path / "d", "train")

    def follows(frames: FrameSource, target: int) -> Video:
        masks = np.equal(LABELS, {1: 1, 2: 2, 3: 7}[target])
        masks[0] = masks[4] = False  # these do not count
        if target == 2:
            masks = masks | (LABELS == 1)  # object 1 is below it, and has its own pixels
        if target == 3:
            masks[3] = False
        return masks

    oracle = Oracle(followed=follows)
    told = _go(dataset, oracle, tmp_path / "run")
    assert [prompt["object"] for prompt in oracle.prompts] == [1, 2, 3]
    np.testing.assert_array_equal(oracle.prompts[2]["mask"], LABELS[0] == 7)
    # Of three frames that count, the third object is lost in one.
    assert told["all", "J"] == pytest.approx((1 + 1 + 2 / 3) / 3)
    assert told["all", "J recall"] == pytest.approx((1 + 1 + 2 / 3) / 3)


def test_refcoco_counts_pixels_and_what_refers_to_nothing(tmp_path: Path) -> None:
    path = tmp_path / "grefcoco"
    square = np.zeros((30, 50), bool)
    square[5:20, 5:15] = True
    image = {"id": 9, "file_name": "a.jpg", "height": 30, "width": 50}
    annotation = {"id": 1, "image_id": 9, "segmentation": run_lengths(square[None])[0]}
    write_json(path / "instances.json", {"images": [image], "annotations": [annotation]})
    references = [
        {
            "ref_id": number,
            "image_id": 9,
            "ann_id": ids,
            "split": "val",
            "sentences": [{"sent_id": number, "sent": text}],
        }
        for number, (text, ids) in enumerate([("half", [1]), ("no", [-1]), ("wrongly", [-1])])
    ]
    write_json(path / "grefs(unc).json", references)
    write_images(path / "images", ["a.jpg"], [np.zeros((30, 50, 3))])
    half = square & (np.arange(50) < 10)
    answers = {"half": {1: half[None]}, "no": {}, "wrongly": {1: half[None]}}
    oracle = Oracle(lambda text: answers[text.split()[2]])
    dataset = KINDS["refcoco"].read(path)
    told = _go(dataset, oracle, tmp_path / "run")
    assert oracle.asked[0] == "Please segment half in this image."
    assert told["all", "cIoU"] == pytest.approx(75 / (150 + 75))
    assert told["all", "gIoU"] == pytest.approx((0.5 + 1 + 0) / 3)
    assert (told["all", "N-acc"], told["all", "T-acc"]) == (0.5, 1)
    assert told["all", "Pr@0.5"] == 1
    assert told["no target", "gIoU"] == 0.5
    write_report(dataset, _results(dataset, tmp_path / "run"), worst=1)
    assert (tmp_path / "run" / "worst" / "01.png").is_file()
    text = (tmp_path / "run" / "README.md").read_text("utf-8")
    assert "No published figure is known" in text
    assert text.index("grefcoco") < text.index('a/2, "wrongly"')


def test_instances_are_counted_by_pieces(tmp_path: Path) -> None:
    export.write(stack(), tmp_path / "d", "coco")
    dataset = KINDS["coco"].read(tmp_path / "d", "default")
    frame = iter(range(5))
    oracle = Oracle(lambda _: {1: LABELS[[next(frame)]] > 0})
    told = _go(dataset, oracle, tmp_path / "run")
    assert oracle.asked == ["Please segment all the object."] * 5
    assert told["all", "AP"] == pytest.approx(1)


def test_cells_are_given_at_their_first_frame(tmp_path: Path) -> None:
    export.write(stack(), tmp_path / "d", "ctc")
    dataset = KINDS["ctc"].read(tmp_path / "d")
    (sample,) = dataset.samples

    def follows(frames: FrameSource, label: int) -> Video:
        shape = frames.shape
        empty = np.zeros(shape[1:], bool)
        return np.stack([sample.truth(f).get(label, empty) for f in range(shape[0])])

    oracle = Oracle(followed=follows)
    told = _go(dataset, oracle, tmp_path / "run")
    assert sorted(p["frame"] for p in oracle.prompts) == [0, 0, 0, 2, 2, 2]
    assert (told["all", "SEG"], told["all", "TRA"]) == (1, 1)


def test_a_prompt_lies_in_its_object() -> None:
    mask = LABELS[0] == 1  # a ring
    assert prompt_of(mask, "mask")["mask"] is mask
    ys, xs = np.nonzero(mask)
    assert prompt_of(mask, "box") == {"box": (ys.min(), xs.min(), ys.max() + 1, xs.max() + 1)}
    ((y, x, positive),) = prompt_of(mask, "click")["points"]
    assert positive
    assert mask[int(y) - 3 : int(y) + 4, int(x)].all()


def test_published_figures_have_sources() -> None:
    assert {"refcoco val", "refcoco+ val", "mevis valid_u", "ref-sav valid"} <= set(benchmarks())
    for benchmark in benchmarks():
        rows = published(*benchmark.rsplit(" ", 1))
        assert rows
        assert all("arXiv:" in row.source and 0 < row.value < 100 for row in rows)
    assert published("mevis", "nowhere") == []
