"""Errors that a user can act on."""

from __future__ import annotations

from typing import Literal

Remedy = Literal["", "resume", "use less memory"]


class Sa2VAError(Exception):
    """An error that names the thing and the way out.

    Parameters
    ----------
    message : str
        What is wrong, and with what.
    hint : str, optional
        What the user can do about it.
    remedy : {"", "resume", "use less memory"}
        What a button can do about it: go on where the work was cut off, or choose what takes less
        memory and then go on.
    """

    def __init__(self, message: str, hint: str = "", remedy: Remedy = "") -> None:
        super().__init__(f"{message} {hint}".strip())
        self.message = message
        self.hint = hint
        self.remedy: Remedy = remedy


class InputError(Sa2VAError, ValueError):
    """A stack, prompt, file or option that cannot be used as given."""


class BackendError(Sa2VAError):
    """A backend that cannot be reached, refuses, or was lost."""


class DeviceMemoryError(Sa2VAError):
    """A device that has no memory left."""


class CheckpointError(Sa2VAError):
    """A checkpoint folder that cannot be loaded."""


class WeightsError(CheckpointError):
    """Weights that do not fit the configuration.

    Attributes
    ----------
    problems : dict of str to list of str
        Names of all ``missing``, ``unexpected`` and ``misshaped`` weights; the message shows the
        first few of each.
    """

    _SHOWN = 12

    def __init__(self, where: str, problems: dict[str, list[str]]) -> None:
        self.problems = problems
        lines = [f"The weights in {where} do not fit its config.json."]
        for kind, names in problems.items():
            if names:
                more = f" and {len(names) - self._SHOWN} more" if len(names) > self._SHOWN else ""
                lines.append(f"{kind} ({len(names)}): {', '.join(names[: self._SHOWN])}{more}.")
        super().__init__(
            "\n".join(lines),
            "\nIs the checkpoint complete, and is grounding.json the one that belongs to it?",
        )
