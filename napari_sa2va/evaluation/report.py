"""What a run leaves to read: tables, plots, worst cases, and published figures beside it."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from napari_sa2va.core.errors import InputError
from napari_sa2va.evaluation.dataset import Dataset, Sample
from napari_sa2va.evaluation.figures import ALL, Figure, figures, main_figure
from napari_sa2va.evaluation.kinds import kind_named
from napari_sa2va.evaluation.plots import plot_comparison, plot_distribution
from napari_sa2va.evaluation.published import Published, published
from napari_sa2va.evaluation.results import Results, Score
from napari_sa2va.evaluation.worst import draw_worst

SUMMARY, CASES, COMPARISON, REPORT = "summary.csv", "cases.csv", "comparison.csv", "README.md"
WORST = 8
THIS_RUN = "this run"

# The packages of the extra `evaluate` that a measure needs.
_NEEDED = {"CTC": ("matplotlib", "ctc_metrics")}


def check_packages(kind: str) -> None:
    """Raise InputError before a long run where its report would lack a package."""
    for package in _NEEDED.get(kind_named(kind).measure, ("matplotlib",)):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"The package {package} is not installed.",
                'It comes with: pip install "napari-sa2va[evaluate]"',
            )


def write_report(dataset: Dataset, results: Results, worst: int = WORST) -> list[Figure]:
    """Write the report of what is done so far into the run's folder.

    ``summary.csv`` has the figures, ``cases.csv`` a row a target, ``comparison.csv`` published
    figures beside the run's, ``plots`` and ``worst`` pictures, and ``README.md`` all of it.

    Parameters
    ----------
    dataset : Dataset
        What the run was over.
    results : Results
        Its folder.
    worst : int
        How many of the worst cases are drawn.

    Returns
    -------
    list of Figure
        Empty where nothing is done, and nothing is written.
    """
    found = figures(dataset, results)
    if not found:
        return []
    folder = results.folder
    try:
        _write_csv(folder / SUMMARY, ("group", "figure", "value", "count"), _summary_rows(found))
        _write_csv(folder / CASES, _CASE_COLUMNS, _case_rows(dataset, results))
        compared = comparison(dataset, found)
        _write_csv(folder / COMPARISON, ("model", "figure", "percent", "source"), compared)
        plots = _draw_plots(dataset, results, compared, found)
        drawn = draw_worst(dataset, results, worst)
        text = _markdown(dataset, results, found, compared, plots, drawn)
        (folder / REPORT).write_text(text, "utf-8")
    except OSError as error:
        raise InputError(
            f"The report in {folder} cannot be written ({error.strerror or error}).",
            "Free space; all results are kept, and the same command writes it again.",
        ) from error
    return found


def comparison(dataset: Dataset, found: Sequence[Figure]) -> list[tuple[str, str, str, str]]:
    """(model, figure, percent, source), best first; empty where nothing is published."""
    known = published(dataset.name, dataset.split)
    if not known:
        return []
    rows = list(known)
    own = main_figure(found, known[0].figure)
    if own is not None:
        source = f"{own.count} of {len(dataset.samples)} samples"
        rows.append(Published(THIS_RUN, own.name, 100 * own.value, source))
    rows.sort(key=lambda row: -row.value)
    return [(row.model, row.figure, f"{row.value:.1f}", row.source) for row in rows]


_CASE_COLUMNS = (
    "stack", "key", "target", "group", "text", "answer", "J&F or IoU", "J", "F",
    "intersection", "union", "has target", "is found", "seconds",
)  # fmt: skip


def _summary_rows(found: Iterable[Figure]) -> list[tuple[Any, ...]]:
    return [(f.group, f.name, f"{f.value:.4f}", f.count) for f in found]


def _case_rows(dataset: Dataset, results: Results) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = []
    for sample in dataset.samples:
        result = results.done.get(sample.key)
        for score in result.scores if result else ():
            rows.append(
                (
                    sample.stack, sample.key, score.target, sample.group, sample.text,
                    result.answer if result else "", f"{score.value:.4f}",
                    f"{score.j['mean']:.4f}", f"{score.f['mean']:.4f}" if score.f else "",
                    score.overlap.intersection, score.overlap.union,
                    int(score.overlap.has_target), int(score.overlap.is_found),
                    result.seconds if result else "",
                )
            )  # fmt: skip
    return rows


def _write_csv(file: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(columns)
        writer.writerows(rows)


def _draw_plots(
    dataset: Dataset,
    results: Results,
    compared: Sequence[tuple[str, str, str, str]],
    found: Sequence[Figure],
) -> list[Path]:
    folder = results.folder / "plots"
    folder.mkdir(exist_ok=True)
    groups: dict[str, list[float]] = {ALL: []}
    for sample in dataset.samples:
        if sample.key in results.done:
            values = [score.value for score in results.done[sample.key].scores]
            for group in filter(None, (ALL, sample.group)):
                groups.setdefault(group, []).extend(values)
    name = "J&F" if kind_named(dataset.kind).measure == "J&F" else "IoU"
    plots = [folder / "distribution.png"]
    plot_distribution(groups, name, plots[0])
    if compared:
        plots.append(folder / "comparison.png")
        rows = [(model, float(percent), model == THIS_RUN) for model, _, percent, _ in compared]
        plot_comparison(rows, compared[0][1], plots[-1])
    return plots


def _markdown(
    dataset: Dataset,
    results: Results,
    found: Sequence[Figure],
    compared: Sequence[tuple[str, str, str, str]],
    plots: Sequence[Path],
    drawn: Sequence[tuple[Path, Sample, Score]],
) -> str:
    total, done = len(dataset.samples), sum(s.key in results.done for s in dataset.samples)
    lines = [f"# {kind_named(dataset.kind).title}: {results.settings.get('model', 'a model')}", ""]
    lines += [f"{done} of {total} samples are done.", ""]
    lines += _table(("setting", "value"), list(results.settings.items()))
    lines += ["## Figures", ""]
    lines += _table(
        ("group", "figure", "percent", "of"),
        [(f.group, f.name, f"{100 * f.value:.1f}", f.count) for f in found],
    )
    if compared:
        lines += ["## Beside published figures", ""]
        lines += _table(("model", "figure", "percent", "source"), compared)
        lines += [
            "Published figures are of the whole split as its authors give it. Papers sample "
            "frames, prompt and fine-tune in their own ways: read them as hints.",
            "",
        ]
    else:
        lines += ["No published figure is known for this data set and split.", ""]
    lines += ["## Plots", "", *(f"![{p.stem}](plots/{p.name})" for p in plots), ""]
    lines += ["## Worst cases", "", "Green is found and true, orange found and not true, yellow "]
    lines[-1] += "true and not found."
    for file, sample, score in drawn:
        asked = f'"{sample.text}"' if sample.text else f"object {score.target}"
        lines += ["", f"{sample.key}, {asked}: {100 * score.value:.1f}", ""]
        lines += [f"![{sample.key}](worst/{file.name})"]
    return "\n".join([*lines, ""])


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    """A Markdown table, and an empty line."""
    cells = [[str(value).replace("|", "\\|") for value in row] for row in rows]
    lines = [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *cells)]
    return [*lines, ""]
