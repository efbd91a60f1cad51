"""What the models window says of a model: words, no Qt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.units import readable_count, readable_size, readable_time
from napari_sa2va.models.catalog import Entry
from napari_sa2va.models.known import BUNDLED

if TYPE_CHECKING:
    from napari_sa2va.models.download import Transfer

UNKNOWN = "?"
NOT_HERE = "not here"
FITS, NOT_NOW, TOO_LARGE = "fits", "not now", "too large"


def is_on_hub(entry: Entry) -> bool:
    """Whether a model comes from the Hub: neither bundled nor a folder of the user."""
    return entry.known.name != BUNDLED and not Path(entry.known.name).is_absolute()


def is_removable(entry: Entry) -> bool:
    """Whether there is anything of it to remove: files, or the user's line in the list."""
    added = not entry.known.kind  # the published ones say what they are
    return entry.known.name != BUNDLED and bool(
        entry.folder or entry.arrived or entry.problem or added
    )


def here(entry: Entry) -> str:
    """What of a model is on this machine, in a word."""
    if entry.problem:
        return "cannot be used"
    if entry.known.name == BUNDLED:
        return "bundled"
    if entry.folder is not None:
        return "installed" if is_on_hub(entry) else "folder"
    if entry.pin is not None and entry.arrived:
        return f"{percent(entry.arrived, entry.pin.size)} here"
    return NOT_HERE


def fit(entry: Entry, memory: DeviceMemory | None) -> str:
    """Whether a model's weights fit the device: `FITS`, `NOT_NOW`, `TOO_LARGE` or `UNKNOWN`."""
    if entry.known.parameters is None or memory is None:
        return UNKNOWN
    needed = entry.known.parameters.memory(memory.dtype)
    if needed <= memory.free:
        return FITS
    return NOT_NOW if needed <= memory.total else TOO_LARGE


def fit_sentence(entry: Entry, memory: DeviceMemory | None) -> str:
    """The same with figures, and the way out."""
    verdict = fit(entry, memory)
    if memory is None:
        return "The memory of this device is being read."
    if entry.known.parameters is None:
        known_when = "it is downloaded" if entry.pin else "the Hub is asked"
        return f"Whether it fits is known when {known_when}."
    needed = readable_size(entry.known.parameters.memory(memory.dtype))
    begin = f"On this device ({memory.device}, {memory.dtype}) its weights need {needed}"
    if verdict == FITS:
        return (
            f"{begin} of {readable_size(memory.free)} free: they fit. Images, the language "
            "model's cache and SAM 2's memory come on top."
        )
    if verdict == NOT_NOW:
        return (
            f"{begin}, and only {readable_size(memory.free)} of {readable_size(memory.total)} are "
            "free: close other programs first."
        )
    return f"{begin}, more than the {readable_size(memory.total)} there are: choose a smaller one."


def device_line(memory: DeviceMemory) -> str:
    """What the device has room for."""
    return (
        f"{memory.device} ({memory.name}): {readable_size(memory.free)} of "
        f"{readable_size(memory.total)} free for a model, in {memory.dtype}"
    )


def sizes(entry: Entry) -> tuple[str, str, str, str]:
    """Parameters, download, and memory in bfloat16 and float32."""
    counted = entry.known.parameters
    download = readable_size(entry.pin.size) if entry.pin else UNKNOWN if is_on_hub(entry) else "–"
    if counted is None:
        return UNKNOWN, download, UNKNOWN, UNKNOWN
    memory = (readable_size(counted.memory(dtype)) for dtype in ("bfloat16", "float32"))
    return readable_count(counted.total), download, *memory


def details(entry: Entry, memory: DeviceMemory | None) -> list[str]:
    """What there is to say of a model, a line each."""
    known, counted, pin = entry.known, entry.known.parameters, entry.pin
    if entry.problem:
        return [entry.problem]
    lines = []
    if known.base:
        lines.append(f"Made from {known.base}, with {known.language_model}.")
    if counted is not None:
        half, full = (readable_size(counted.memory(dtype)) for dtype in ("bfloat16", "float32"))
        lines.append(
            f"{counted.language:,} parameters in the language side and {counted.grounding:,} in "
            f"SAM 2. Memory: {half} in bfloat16 or float16, {full} in float32."
        )
    if counted is None and pin is None:
        return [*lines, "Its sizes are unknown until the Hub is asked."]
    lines.append(fit_sentence(entry, memory))
    if pin is not None:
        arrived = f", {readable_size(entry.arrived)} of which are here" if entry.arrived else ""
        if entry.folder is not None:
            arrived = ", all here"
        lines.append(
            f"Download: {readable_size(pin.size)} in {len(pin.files)} files{arrived}. "
            f"Revision {pin.revision[:12]}."
        )
    elif is_on_hub(entry):
        lines.append("Download: its size is unknown until the Hub is asked.")
    if entry.folder is not None:
        lines.append(f"Folder: {entry.folder}")
    return lines


def transfer_line(transfer: Transfer) -> str:
    """How far a download is, and how long it will still take."""
    if not transfer.total:
        return transfer.what
    parts = [
        transfer.what,
        f"{readable_size(transfer.done)} of {readable_size(transfer.total)}",
    ]
    if transfer.speed:
        left = (transfer.total - transfer.done) / transfer.speed
        parts += [f"{readable_size(transfer.speed)}/s", f"{readable_time(left)} left"]
    return " · ".join(parts)


def percent(done: int, total: int) -> str:
    """Rounded down: nothing is called whole before it is."""
    return f"{100 * done // max(1, total)} %"
