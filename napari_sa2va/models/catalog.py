"""The models that can be chosen: bundled, published, and added by the user; where each one is."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.known import (
    BUNDLED,
    PUBLISHED,
    SA2VA,
    KnownModel,
    Parameters,
)
from napari_sa2va.models.pins import Pin, forget, read_record, write_record
from napari_sa2va.models.shapes import count_parameters

if TYPE_CHECKING:
    from napari_sa2va.models.download import Transfer

_NANO = KnownModel(BUNDLED, "", "", licence="apache-2.0", languages=("en", "ko"), kind=SA2VA)


@dataclass(frozen=True)
class Entry:
    """A model of the catalog, and what of it is on this machine.

    Attributes
    ----------
    known : KnownModel
        What is known of it, from the Hub and from its own weights, too.
    pin : Pin, optional
        The revision that is used; None for folders and where the Hub was not asked yet.
    folder : Path, optional
        Where it is; None unless it is complete.
    arrived : int
        Bytes of the pinned revision that are on this machine.
    problem : str
        Why it cannot be used; empty if nothing speaks against it.
    """

    known: KnownModel
    pin: Pin | None = None
    folder: Path | None = None
    arrived: int = 0
    problem: str = ""


def list_models() -> list[Entry]:
    """All models: the bundled one, the published ones, then the user's. Asks no network."""
    record = read_record()
    published = [known.name for known in PUBLISHED]
    names = [BUNDLED, *published, *record.added, *record.pins]
    return [_entry_or_problem(name) for name in dict.fromkeys(names)]


def find_entry(name: str) -> Entry:
    """What is known of one model without asking the network.

    Raises
    ------
    CheckpointError
        It is neither a model nor an id, or its weights are damaged.
    """
    folder = _local_folder(name)
    if folder is not None:
        known = _NANO if name == BUNDLED else KnownModel(name, "", "")
        if not folder.is_dir():
            raise CheckpointError(f"The folder {name} is gone.", "Remove it from the list.")
        return Entry(replace(known, parameters=count_parameters(folder)), folder=folder)
    known = next((k for k in PUBLISHED if k.name == name), KnownModel(check_id(name), "", ""))
    pin = read_record().pins.get(name)
    if pin is None:
        return Entry(known)
    # Here, because huggingface_hub takes a second to import.
    from napari_sa2va.models.installed import arrived_bytes, missing_files, snapshot_folder

    known = learn(known, pin)
    if missing_files(name, pin):
        return Entry(known, pin, None, arrived_bytes(name, pin))
    folder = snapshot_folder(name, pin)
    known = replace(known, parameters=count_parameters(folder))
    return Entry(known, pin, folder, pin.size)


def _entry_or_problem(name: str) -> Entry:
    """One broken model must not hide the others."""
    try:
        return find_entry(name)
    except CheckpointError as error:
        pin = read_record().pins.get(name)
        return Entry(KnownModel(name, "", ""), pin, problem=error.message)


def learn(known: KnownModel, pin: Pin) -> KnownModel:
    """What is known once the Hub has been asked: its word goes before what was seen earlier."""
    parameters = known.parameters
    if known in PUBLISHED and parameters is None and (pin.parameters or 0) > known.grounding:
        # Every published one has the same SAM 2; the Hub tells only the sum.
        parameters = Parameters((pin.parameters or 0) - known.grounding, known.grounding)
    return replace(
        known,
        parameters=parameters,
        licence=pin.licence or known.licence,
        languages=pin.languages or known.languages,
        revision=pin.revision,
    )


def add_model(name: str) -> str:
    """Add an id of the Hub or a checkpoint's folder to the list.

    Returns
    -------
    str
        What it is called there: a folder by its whole path.

    Raises
    ------
    CheckpointError
        It is neither, or the folder holds no safetensors checkpoint.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        if not (folder / "config.json").is_file() or not list(folder.glob("*.safetensors")):
            raise CheckpointError(
                f"{folder} holds no checkpoint: it needs config.json and *.safetensors.",
                "Pickled weights (*.bin, *.pt) are never opened: they could run code.",
            )
        name = str(folder.resolve())
    else:
        check_id(name)
    record = read_record()
    if name not in record.added:
        record.added.append(name)
        write_record(record)
    return name


def fetch_model(name: str, revision: str | None = None) -> Generator[Transfer, None, Path]:
    """Download a model, or what is missing of it: see `napari_sa2va.models.download.download`."""
    from napari_sa2va.models.download import download

    known = next((k for k in PUBLISHED if k.name == name), None)
    if revision is None and known is not None and name not in read_record().pins:
        revision = known.revision
    return (yield from download(check_id(name), revision))


def ask_about(entry: Entry) -> Generator[str, None, Entry]:
    """Ask the Hub what it says of a model today; nothing is recorded.

    Yields
    ------
    str
        Why it waits; closing the generator cancels.

    Returns
    -------
    Entry
        The entry with what was learnt.

    Raises
    ------
    CheckpointError
        It is not from the Hub, or the Hub refuses.
    """
    known = entry.known
    if _local_folder(known.name) is not None:
        raise CheckpointError(f"{known.name} is not from the Hub.", "All of it is known already.")
    from napari_sa2va.models.hub import ask_hub

    pin = yield from ask_hub(known.name, known.revision)
    return Entry(learn(known, pin), pin, entry.folder, entry.arrived)


def remove_model(name: str) -> int:
    """Delete a model's files, or take a folder off the list, whose files stay.

    Returns
    -------
    int
        Bytes that are free again.

    Raises
    ------
    CheckpointError
        There is nothing to remove, or its files cannot be deleted.
    """
    if name == BUNDLED:
        raise CheckpointError(f"{BUNDLED} is part of the package.", "Choose a downloaded model.")
    record = read_record()
    folder = _local_folder(name)
    if folder is not None:
        listed = [n for n in (name, str(folder.resolve())) if n in record.added]
        if not listed:
            raise CheckpointError(f"{folder} is not on the list.", "See `models list`.")
        forget(listed[0])
        return 0
    from napari_sa2va.models.installed import remove_repository

    check_id(name)
    try:
        freed = remove_repository(name)
    except OSError as error:
        raise CheckpointError(
            f"{name} could not be removed: {error.filename}: {error.strerror}.",
            "Close what uses it, then remove it again.",
        ) from error
    if not freed and name not in record.pins and name not in record.added:
        raise CheckpointError(f"{name} is not on this machine.", "See `models list`.")
    forget(name)
    return freed


def page_url(name: str) -> str:
    """The address of a model's page on the Hub, or on the mirror that stands for it."""
    from huggingface_hub import constants

    return f"{constants.ENDPOINT}/{name}"


def find_model(name: str) -> Path:
    """The folder of a checkpoint, which is downloaded first where it must be: see `bring_model`."""
    bringing = bring_model(name)
    while True:
        try:
            next(bringing)
        except StopIteration as done:
            return Path(done.value)


def bring_model(name: str) -> Generator[Transfer, None, Path]:
    """Find a checkpoint, and download what is missing of it.

    Parameters
    ----------
    name : str
        ``"nano"``, a folder, or an id on the Hub (``"ByteDance/Sa2VA-1B"``), of which exactly the
        pinned revision is used.

    Yields
    ------
    Transfer
        How far the download is, if there is one; closing the generator cancels.

    Returns
    -------
    Path
        Its folder.

    Raises
    ------
    CheckpointError
        There is no such model, or it cannot be downloaded.
    """
    folder = _local_folder(name)
    if folder is not None and folder.is_dir():
        return folder
    check_id(name)
    from huggingface_hub import is_offline_mode

    if is_offline_mode() and name not in read_record().pins:
        return _downloaded_by_others(name)
    return (yield from fetch_model(name))


def check_id(name: str) -> str:
    """The name if it looks like an id on the Hub; else CheckpointError."""
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise CheckpointError(
            f"There is no model {name!r}.",
            'Use "nano", a folder with a checkpoint, or an id on the Hub such as "owner/name".',
        )
    return name


def _local_folder(name: str) -> Path | None:
    """The folder that a name means without the Hub, be it there or not; None for an id."""
    if name == BUNDLED:
        return Path(str(resources.files("napari_sa2va") / "models" / "nano"))
    folder = Path(name).expanduser()
    return folder if folder.is_dir() or folder.is_absolute() else None


def _downloaded_by_others(name: str) -> Path:
    """Offline, what another program downloaded; there is no record to check it against."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HFValidationError, LocalEntryNotFoundError

    from napari_sa2va.models.hub import FETCHED

    try:
        return Path(snapshot_download(name, allow_patterns=list(FETCHED), local_files_only=True))
    except (HFValidationError, LocalEntryNotFoundError) as error:
        raise CheckpointError(
            f"{name} could not be downloaded: HF_HUB_OFFLINE is set, and it is not here yet.",
            "Unset HF_HUB_OFFLINE, or give a folder that holds the checkpoint.",
        ) from error
