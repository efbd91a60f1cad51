"""Whether a checkpoint's own chat template lets the model think before it answers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_sa2va.core.reasoning import THINK_START
from napari_sa2va.models.checkpoint import read_json

# As it stands between the quotes of the template's source. It is searched, never run.
_OPENED = re.compile(r"assistant(?:\\n|\n)<think>(?!(?:\\n|\s)*</think>)")
_JINJA, _JSON = "chat_template.jinja", ("chat_template.json", "tokenizer_config.json")


def begin_of_answers(folder: Path) -> str:
    """What is written before each answer: ``<think>`` and a line break, or nothing."""
    for template in _templates(folder):
        _, asked, prompt = template.rpartition("add_generation_prompt")
        if asked and _OPENED.search(prompt):
            return f"{THINK_START}\n"
    return ""


def _templates(folder: Path) -> Iterator[str]:
    if (folder / _JINJA).is_file():
        yield (folder / _JINJA).read_text("utf-8", "replace")
    for name in _JSON:
        if (folder / name).is_file():
            yield from _named(read_json(folder / name).get("chat_template"))


def _named(template: Any) -> Iterator[str]:
    """A template, or the one that is the default among several."""
    if isinstance(template, str):
        yield template
    elif isinstance(template, list):
        for one in template:
            if isinstance(one, dict) and one.get("name") == "default":
                yield from _named(one.get("template"))
