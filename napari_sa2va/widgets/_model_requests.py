"""What the models window asks for, as generators that run off the Qt thread."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.errors import CheckpointError, Sa2VAError
from napari_sa2va.core.events import Progress
from napari_sa2va.core.units import readable_size
from napari_sa2va.models import catalog
from napari_sa2va.models.catalog import Entry

if TYPE_CHECKING:
    from napari_sa2va.models.download import Transfer

_STEP = 1000  # napari's progress bar counts in 32 bits, so in kilobytes


@dataclass(frozen=True)
class Listing:
    """All models, or the sentence why there is no list."""

    entries: list[Entry]
    offline: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Said:
    """The sentence that a request ends with."""

    text: str


@dataclass(frozen=True)
class Added:
    """What is on the list now."""

    name: str


@dataclass(frozen=True)
class Damaged:
    """The files that are not as the Hub announced them."""

    files: tuple[str, ...]


def read_list() -> Listing:
    """List the models; asks no network."""
    from huggingface_hub import is_offline_mode

    try:
        return Listing(catalog.list_models(), is_offline_mode())
    except Sa2VAError as error:
        return Listing([], is_offline_mode(), str(error))
    except OSError as error:
        return Listing([], is_offline_mode(), f"{error.filename}: {error.strerror}.")


def read_memory(memory: Callable[[], DeviceMemory]) -> DeviceMemory | str:
    """What a device has room for, or why that is not known."""
    try:
        return memory()
    # A driver or a library that torch cannot load: models can still be listed and downloaded.
    except (Sa2VAError, RuntimeError, ImportError, OSError) as error:
        return f"The memory of this device cannot be read: {error}"


def add(name: str) -> Iterator[Added]:
    """Add an id or a folder to the list."""
    yield Added(catalog.add_model(name))


def ask(entry: Entry) -> Iterator[Progress | Entry]:
    """Ask the Hub about a model."""
    asking = catalog.ask_about(entry)
    while True:
        try:
            yield Progress(0, 0, next(asking))
        except StopIteration as answer:
            yield answer.value
            return


def download(name: str, damaged: tuple[str, ...] = ()) -> Iterator[Progress | Transfer | Said]:
    """Download what is missing of a model; `damaged` files are brought anew."""
    if damaged:
        _discard(name, damaged)
    fetching = catalog.fetch_model(name)
    try:
        for transfer in fetching:
            yield Progress(transfer.done // _STEP, transfer.total // _STEP, transfer.what)
            yield transfer
    finally:
        fetching.close()
    yield Said("It is complete.")


def verify(name: str) -> Iterator[Progress | Said | Damaged]:
    """Compare a model's files with what the Hub announced."""
    from napari_sa2va.models.installed import check_files

    pin = catalog.find_entry(name).pin
    if pin is None:
        raise CheckpointError(f"There are no checksums of {name}.", "Download it first.")
    wrong = []
    yield Progress(0, len(pin.files), "files")
    for done, checked in enumerate(check_files(name, pin), 1):
        if checked.problem:
            wrong.append(checked)
        yield Progress(done, len(pin.files), "files")
    if not wrong:
        yield Said(f"All {len(pin.files)} files are as the Hub announced them.")
        return
    told = "; ".join(f"{checked.name}: {checked.problem}" for checked in wrong)
    yield Damaged(tuple(checked.name for checked in wrong))
    yield Said(f"{told}. Repair downloads what is damaged anew.")


def remove(name: str) -> Iterator[Said]:
    """Delete a model's files, or take a folder off the list."""
    freed = catalog.remove_model(name)
    yield Said(f"{name} is removed: {readable_size(freed)} are free again.")


def _discard(name: str, files: tuple[str, ...]) -> None:
    from napari_sa2va.models.installed import discard_file
    from napari_sa2va.models.pins import read_record

    pin = read_record().pins.get(name)
    if pin is not None:
        for file in files:
            discard_file(name, pin, file)
