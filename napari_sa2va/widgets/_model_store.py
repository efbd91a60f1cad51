"""The models of this machine as the dock knows them, and what is on its way with them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from napari.qt.threading import create_worker
from qtpy.QtCore import QObject, QThreadPool, Signal

from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.core.events import Failed, Progress
from napari_sa2va.models.catalog import Entry, learn
from napari_sa2va.widgets import _model_requests as requests
from napari_sa2va.widgets._model_facts import percent
from napari_sa2va.widgets._model_requests import Added, Damaged, Listing, Said
from napari_sa2va.widgets._runner import Runner

if TYPE_CHECKING:
    from napari_sa2va.models.download import Transfer
    from napari_sa2va.models.pins import Pin


@dataclass
class Job:
    """What is on its way with one model.

    Attributes
    ----------
    title : str
        What is done: "downloading", "verifying", ...
    progress : Progress, optional
        How far it is.
    transfer : Transfer, optional
        The same of a download, in bytes.
    """

    title: str
    runner: Runner
    progress: Progress | None = None
    transfer: Transfer | None = None
    cancelled: bool = False

    @property
    def text(self) -> str:
        """What is done, and how far it is."""
        if self.cancelled:
            return "cancelling"
        if self.progress is None or not self.progress.total:
            return self.title
        return f"{self.title} {percent(self.progress.done, self.progress.total)}"


class ModelStore(QObject):
    """Lists models, downloads, verifies and removes them; lives as long as the dock.

    One job at a time for each model. All of them run in threads; what is read here is what they
    told last.

    Parameters
    ----------
    memory : callable
        Tells what the device has room for; called in a thread.

    Attributes
    ----------
    entries : list of Entry
        All models; empty until they were read.
    memory : DeviceMemory, optional
        None until it was read.
    problem, memory_problem : str
        Why the list or the memory could not be read; empty if they could.
    offline : bool
        Whether HF_HUB_OFFLINE is set.
    jobs : dict of str to Job
        By model.
    notes : dict of str to str
        The sentence that the last job of a model ended with.
    damaged : dict of str to tuple of str
        The files that were found damaged, by model.

    Signals
    -------
    listed
        The list is another one.
    changed : str
        There is news of this model; of the device's memory, if it is empty.
    ended : (str, str)
        A job of this model ended: "done", "failed" or "cancelled".
    added : str
        This model will be on the list when it is read next.
    """

    listed = Signal()
    changed = Signal(str)
    ended = Signal(str, str)
    added = Signal(str)

    def __init__(self, memory: Callable[[], DeviceMemory], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._read_memory = memory
        self._asked: dict[str, Pin] = {}
        self._reading: set[str] = set()
        self._stale = False
        self.entries: list[Entry] = []
        self.memory: DeviceMemory | None = None
        self.memory_problem = ""
        self.problem = ""
        self.offline = False
        self.jobs: dict[str, Job] = {}
        self.notes: dict[str, str] = {}
        self.damaged: dict[str, tuple[str, ...]] = {}

    def refresh(self) -> None:
        """Read the list and the memory anew."""
        self.refresh_list()
        if "memory" not in self._reading:
            self._in_thread("memory", requests.read_memory, self._read_memory)

    def refresh_list(self) -> None:
        """Read the list anew; again afterwards, where it is being read already."""
        self._stale = "list" in self._reading
        if not self._stale:
            self._in_thread("list", requests.read_list)

    def entry(self, name: str) -> Entry | None:
        """What is known of a model; None where it is not on the list."""
        return next((entry for entry in self.entries if entry.known.name == name), None)

    def add(self, name: str) -> None:
        """Add an id or a folder to the list."""
        self._start(name, "adding", requests.add(name))

    def ask(self, entry: Entry) -> None:
        """Ask the Hub about a model."""
        self._start(entry.known.name, "asking the Hub", requests.ask(entry))

    def download(self, name: str) -> None:
        """Download what is missing or damaged of a model."""
        self._start(name, "downloading", requests.download(name, self.damaged.get(name, ())))
        self.damaged.pop(name, None)  # the request deletes them: they are missing from now on

    def verify(self, name: str) -> None:
        """Compare a model's files with what the Hub announced."""
        self._start(name, "verifying", requests.verify(name))

    def remove(self, name: str) -> None:
        """Delete a model's files, or take a folder off the list."""
        self._start(name, "removing", requests.remove(name))

    def cancel(self, name: str) -> None:
        """End a model's job; what has arrived is kept."""
        job = self.jobs.get(name)
        if job is not None:
            job.cancelled = True
            job.runner.cancel()
            self.changed.emit(name)

    def end(self) -> None:
        """Cancel all; calls nothing of Qt: the Qt side of this object may be gone."""
        for job in self.jobs.values():
            job.runner.cancel()

    def _start(self, name: str, title: str, request: Iterator[Any]) -> None:
        if name in self.jobs:
            return
        runner = Runner(self)
        self.jobs[name] = Job(title, runner)
        self.notes.pop(name, None)
        runner.updated.connect(partial(self._on_update, name))
        runner.stopped.connect(partial(self._on_stopped, name))
        # A download takes hours, and napari's workers share as many threads as there are cores:
        # this one comes on top, so that the model can still be asked meanwhile.
        QThreadPool.globalInstance().releaseThread()
        runner.start(f"{title} {name}", request, lambda: None)
        self.changed.emit(name)

    def _on_update(self, name: str, update: object) -> None:
        job = self.jobs[name]
        match update:
            case Progress():
                job.progress = update
            case Failed(message, hint):
                self.notes[name] = f"{message} {hint}".strip()
            case Said(text):
                self.notes[name] = text
            case Added(listed):
                self.added.emit(listed)
            case Damaged(files):
                self.damaged[name] = files
            case Entry():
                self._learn(update)
            case _ if hasattr(update, "speed"):  # a Transfer: its module takes a second to import
                if job.transfer is None:
                    self.refresh_list()  # the Hub has answered: its sizes are on record
                job.transfer = update
        self.changed.emit(name)

    def _on_stopped(self, name: str, outcome: str) -> None:
        QThreadPool.globalInstance().reserveThread()
        job = self.jobs.pop(name)
        job.runner.deleteLater()
        if outcome == "done" and job.title == "removing":
            self.damaged.pop(name, None)
        if outcome == "cancelled":
            kept = " What has arrived is kept." if job.title == "downloading" else ""
            self.notes[name] = f"Cancelled.{kept}"
        self.changed.emit(name)
        self.refresh_list()
        self.ended.emit(name, outcome)

    def _learn(self, asked: Entry) -> None:
        if asked.pin is not None:
            self._asked[asked.known.name] = asked.pin
        self.entries = [asked if e.known.name == asked.known.name else e for e in self.entries]

    def _in_thread(self, what: str, function: Callable[..., object], *arguments: object) -> None:
        self._reading.add(what)
        worker = create_worker(function, *arguments, _start_thread=False)
        worker.returned.connect(self._on_read)
        worker.finished.connect(partial(self._on_read_ended, what))
        worker.start()

    def _on_read_ended(self, what: str) -> None:
        self._reading.discard(what)
        if what == "list" and self._stale:
            self.refresh_list()

    def _on_read(self, read: object) -> None:
        match read:
            case Listing(entries, offline, problem):
                self.entries = [self._with_asked(entry) for entry in entries]
                self.offline, self.problem = offline, problem
                self.listed.emit()
            case DeviceMemory():
                self.memory, self.memory_problem = read, ""
                self.changed.emit("")
            case str():
                self.memory_problem = read
                self.changed.emit("")

    def _with_asked(self, entry: Entry) -> Entry:
        """What the Hub said is not recorded before the download, but it stays on the screen."""
        pin = self._asked.get(entry.known.name)
        if pin is None or entry.pin is not None:
            return entry
        return replace(entry, known=learn(entry.known, pin), pin=pin)
