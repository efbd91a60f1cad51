"""The tables of a card, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def quoted(text: str) -> str:
    """A user's or the model's words, as they are."""
    return f"`{text.replace('`', '').replace('|', '/')}`" if text.strip() else "nothing"


def aims(rows: Sequence[Row]) -> str:
    """Each aim beside what was measured."""
    said = []
    for row in rows:
        aim, figure = row["aim"], row["figure"]
        bound = f"{'at most' if aim['is_most'] else 'at least'} {aim['bound']:.2f}"
        what = f"{aim['group']}: {aim['task']}, {aim['quantity']}"
        reached = {True: "yes", False: "**no**", None: ""}[row["is_reached"]]
        said.append((what, bound, *_numbers(figure), reached))
    return table(("what", "aim", "measured", "95 %", "values", "reached"), said)


def misses(rows: Sequence[Row]) -> str:
    """The aims that are missed, the furthest first."""
    missed = [row for row in rows if row["is_reached"] is False]
    unknown = [row for row in rows if row["is_reached"] is None]
    said = [
        f"- **{row['aim']['group']}: {row['aim']['task']}**: {row['figure']['mean']:.2f}, "
        f"aimed at {row['aim']['bound']:.2f}."
        for row in sorted(missed, key=_shortfall, reverse=True)
    ]
    said += [f"- {row['aim']['group']}: {row['aim']['task']} was not measured." for row in unknown]
    return "\n".join(said) or "All aims of the table are reached."


def _shortfall(row: Row) -> float:
    return abs(float(row["aim"]["bound"]) - float(row["figure"]["mean"]))


def reliability(calibration: Mapping[str, Row]) -> Iterator[str]:
    """A table of bins for each kind of prompt."""
    if not calibration:
        yield "No mask with a prediction was measured."
    for name, found in calibration.items():
        rank = found["rank_correlation"]
        yield (
            f"{name.capitalize()}: {found['masks']} masks, ECE {found['error']:.3f}, "
            f"rank correlation (Spearman) {'undefined' if rank is None else f'{rank:.2f}'}."
        )
        rows = [
            (
                f"{it['low']:.1f} to {it['high']:.1f}",
                f"{it['score']:.3f}",
                f"{it['iou']:.3f}",
                str(it["masks"]),
            )
            for it in found["bins"]
            if it["masks"]
        ]
        yield table(("predicted", "mean prediction", "mean IoU", "masks"), rows)


def every(figures: Mapping[str, Mapping[str, Row]]) -> str:
    """All means, by group."""
    rows: list[tuple[str, ...]] = []
    for group, tasks in figures.items():
        rows.append((f"**{group}**", "", "", ""))
        rows += [(task, *_numbers(figure)) for task, figure in tasks.items()]
    return table(("what", "mean", "95 %", "values"), rows)


def answers(asked: Sequence[Row]) -> Iterator[str]:
    """Questions with right and wrong answers."""
    if asked:
        yield "### Answers\n\nOf each kind of question the first right and the first wrong answer."
        rows = [
            (it["task"], *map(quoted, (it["asked"], it["expected"], it["said"])), it["right"])
            for it in asked
        ]
        yield table(("kind", "asked", "expected", "said", "right"), rows)


def _numbers(figure: Row | None) -> tuple[str, str, str]:
    if figure is None:
        return "not measured", "", "0"
    interval = f"{figure['low']:.3f} to {figure['high']:.3f}"
    return f"{figure['mean']:.3f}", interval, str(figure["values"])
