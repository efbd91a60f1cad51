"""A data card in Markdown: what an export holds, for the person who gets it."""

from __future__ import annotations

from collections import Counter
from typing import Any

from napari_sa2va.export.dataset import DEFAULT_CATEGORY

_SHOWN_OBJECTS = 50


def data_card(title: str, format_title: str, document: dict[str, Any]) -> str:
    """The card of an export, from its provenance."""
    software = document["software"]
    lines = [
        f"# {title}",
        "",
        f"{format_title}, written by {software['name']} {software['version']} on "
        f"{document['created']}.",
        "",
        "## Stacks",
        "",
        "| name | part | frames | height x width | objects | masks confirmed by a person |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for stack in document["stacks"]:
        frames, height, width = stack["shape"]
        verified = sum(len(record["verified_frames"]) for record in stack["objects"])
        lines.append(
            f"| {_cell(stack['name'])} | {stack['part'] or 'all'} | {frames} | "
            f"{height} x {width} | {len(stack['objects'])} | {verified} |"
        )
    lines += ["", "## Classes", "", "| class | objects |", "| --- | --- |"]
    records = [record for stack in document["stacks"] for record in stack["objects"]]
    counts = Counter(record["category"] or DEFAULT_CATEGORY for record in records)
    lines += [f"| {_cell(name)} | {counts[name]} |" for name in document["categories"]]
    lines += ["", "## Objects", "", "| id | class | phrase | confirmed phrases |"]
    lines.append("| --- | --- | --- | --- |")
    for record in records[:_SHOWN_OBJECTS]:
        lines.append(
            f"| {record['object_id']} | {_cell(record['category'] or DEFAULT_CATEGORY)} | "
            f"{_cell(record['phrase'])} | {_cell('; '.join(record['verified_expressions']))} |"
        )
    if len(records) > _SHOWN_OBJECTS:
        lines += ["", f"{len(records) - _SHOWN_OBJECTS} more are in the provenance file."]
    lines += ["", "## How the labels were made", "", *_making(document, records)]
    lines += [
        "",
        "## Sources",
        "",
        "| file | role | bytes | SHA-256 |",
        "| --- | --- | --- | --- |",
    ]
    sources = {
        (source["name"], source["role"]): source
        for stack in document["stacks"]
        for source in stack["sources"]
    }
    for (name, role), source in sources.items():
        lines.append(f"| {_cell(name)} | {role} | {source['bytes']} | {source['sha256']} |")
    if not sources:
        lines += ["", "Not known: the labels came from memory."]
    return "\n".join([*lines, ""])


def _making(document: dict[str, Any], records: list[dict[str, Any]]) -> list[str]:
    told = [stack["model"] for stack in document["stacks"]]
    models = {" ".join(str(m[k]) for k in ("id", "revision", "dtype") if k in m) for m in told}
    models |= {record["model"] for record in records} - {str(m.get("id", "")) for m in told}
    people = {str(v.get("by", "")) for record in records for v in record["verifications"]}
    made = ", ".join(sorted(filter(None, models))) or "not recorded"
    by = ", ".join(sorted(filter(None, people))) or "not recorded"
    options = document["options"]
    split = options["split"]
    lines = [f"- Models: {made}", f"- Confirmed by: {by}"]
    lines.append(f"- Only confirmed masks: {'yes' if options['verified_only'] else 'no'}")
    if split is not None:
        shares = " / ".join(f"{split[part]:g}" for part in ("train", "val", "test"))
        lines.append(f"- Split by {split['by']}: {shares}, seed {split['seed']}")
    if options["overlaps"] == "first":
        lines.append("- Where objects overlap, the lowest id won.")
    lines.append(f"- Images: {options['images']}, {options['depth']}")
    return lines


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
