"""The work on an image is saved by itself, off the Qt thread."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary, ref

from qtpy.QtCore import QObject, QTimer, Signal

from napari_sa2va.io.session_file import SessionFile
from napari_sa2va.widgets._geometry import StackGeometry
from napari_sa2va.widgets._object_labels import ObjectLabels
from napari_sa2va.widgets._session_book import SessionBook
from napari_sa2va.widgets._undo import copied
from napari_sa2va.widgets._updates import Update
from napari_sa2va.widgets._workbench import Workbench

if TYPE_CHECKING:
    import napari
    from napari.layers import Image, Labels
    from napari.utils.events import Event

# What is typed, drawn and verified is saved when it has been quiet for a moment; and what nobody
# tells of, such as drawn prompts, is looked after now and then.
_QUIET_MS, _LOOK_MS = 300, 1000


_log = logging.getLogger(__name__)


class Autosave(QObject):
    """Keeps a `SessionBook` for the image that the workbench works on.

    Parameters
    ----------
    viewer : napari.Viewer
        Where the labels are painted.
    workbench : Workbench
        Whose objects are saved.
    sections : callable
        Gives what else is saved: plain values by name.
    worth : callable
        Whether there is anything to save, objects aside.
    parent : QObject
        The dock.

    Signals
    -------
    saved
        All that is there is saved, or a problem came up or went away.
    """

    saved = Signal()

    def __init__(
        self,
        viewer: napari.viewer.Viewer,
        workbench: Workbench,
        sections: Callable[[], dict[str, Any]],
        worth: Callable[[], bool],
        parent: QObject,
    ) -> None:
        super().__init__(parent)
        self._viewer, self._workbench = viewer, workbench
        self._sections, self._worth = sections, worth
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="sa2va-autosave")
        self._last: Future[None] | None = None
        self._objects: ObjectLabels | None = None
        self._book: SessionBook | None = None
        # By image, so that an image that is turned to again goes on in its file; with the layer
        # of the objects in it, if there are any: where that was removed, the file keeps them.
        self._files: WeakKeyDictionary[Image, tuple[Path, ref[Labels] | None]] = WeakKeyDictionary()
        self._sent: dict[str, Any] = {}
        self._painted: WeakKeyDictionary[Labels, set[int]] = WeakKeyDictionary()
        self._step: tuple[int, ...] = ()
        self._ended = False
        self._quiet = QTimer(self, interval=_QUIET_MS, singleShot=True)
        self._looking = QTimer(self, interval=_LOOK_MS)
        self._done = QTimer(self, interval=_QUIET_MS)

        workbench.keep = self._keeping
        workbench.started.connect(self._on_started)
        workbench.stopped.connect(self._on_stopped)
        workbench.objects_changed.connect(self._on_objects_changed)
        workbench.frames_painted.connect(self._on_painted)
        self._quiet.timeout.connect(self.save)
        self._looking.timeout.connect(self._look)
        self._done.timeout.connect(self._tell_when_done)
        self._looking.start()

    @property
    def path(self) -> Path | None:
        """Where the session is saved; None where nothing was yet."""
        objects = self._workbench.objects
        if self._book is None or objects is None or not self._is_of(objects):
            return None
        return self._book.path

    @property
    def problem(self) -> str:
        """Why nothing can be saved; empty where all is well."""
        return "" if self._book is None else self._book.problem

    def save(self) -> None:
        """Save what is new, soon, off this thread."""
        objects = self._workbench.objects
        if self._ended or objects is None or self._workbench.restoring is not None:
            return
        if not (objects.records or self._book or self._again(objects) or self._is_new()):
            return
        book = self._the_book()
        running = self._workbench.runner.is_running
        known = None if running else self._known()
        self._sent = self._sections()
        self._last = self._executor.submit(book.save, self._sent, known, not running)
        self._done.start()

    def adopt(self, file: SessionFile) -> None:
        """Go on in a session that was just reopened for the image that is worked on."""
        self._let_go()
        objects = self._workbench.objects
        if objects is not None:
            self._objects = objects
            name, array = objects.image.name, objects.array
            self._book = SessionBook(None, name, array, file, self._known())
            self.saved.emit()

    def wait(self) -> None:
        """Wait until what was handed over is saved."""
        if self._last is not None:
            self._last.result()

    def end(self) -> None:
        """Save what is new, and let go of the file."""
        if self._ended:
            return
        for timer in (self._quiet, self._looking, self._done):
            timer.stop()
        self.save()
        self.close()

    def close(self) -> None:
        """Let go of the file. Calls nothing of Qt: the Qt side of this object may be gone."""
        if not self._ended:
            self._ended = True
            self._let_go()
            self._executor.shutdown(wait=False)

    def _known(self) -> dict[int, Any]:
        facts = self._workbench.facts
        objects = self._workbench.objects
        records = {} if objects is None else copied(objects.records)
        return {label: (r, dict(facts.get(label, {}))) for label, r in records.items()}

    def _the_book(self) -> SessionBook:
        objects = self._workbench.objects
        if self._book is None or not self._is_of(objects):
            self._let_go()
            data, name = source_path(objects.image), objects.image.name
            again = self._again(objects)
            self._book = SessionBook(data, name, objects.array, again=again)
            geometry = self._workbench.geometry
            if geometry is not None:
                frames = {f for record in objects.records.values() for f in record.scores}
                self._book.touch(geometry, (f for f in frames if f < geometry.stack_shape[0]))
        self._objects = objects
        return self._book

    def _is_of(self, objects: ObjectLabels) -> bool:
        """Whether the book is that of these objects."""
        mine, book = self._objects, self._book
        same = mine is not None and mine.image is objects.image
        return same and book is not None and book.labels is objects.array

    def _again(self, objects: ObjectLabels) -> Path | None:
        """The file that an image's session goes on in; None where it holds other objects."""
        path, layer = self._files.get(objects.image, (None, None))
        if layer is not None and (objects.layer is None or layer() is not objects.layer):
            return None
        return path

    def _is_new(self) -> bool:
        """Whether something was said or drawn that is in no session yet."""
        if not self._worth():
            return False
        sections = self._sections()
        return any(sections.get(name) != self._sent.get(name) for name in ("chat", "prompts"))

    def _let_go(self) -> None:
        book, objects = self._book, self._objects
        self._book = self._objects = None
        if book is None or objects is None:
            return
        if book.path is not None:
            self._files.pop(objects.image, None)
            if not objects.records:
                self._files[objects.image] = book.path, None
            elif objects.layer is not None:
                self._files[objects.image] = book.path, ref(objects.layer)
        self._last = self._executor.submit(book.close)

    def _keeping(self, request: Iterator[Update]) -> Iterator[Update]:
        """A request that saves each frame as it comes."""
        geometry = self._workbench.geometry
        if self._ended or self._workbench.objects is None or geometry is None:
            return request
        return _after(self._last, self._the_book().keeping(geometry, request))

    def _look(self) -> None:
        if self._workbench.objects is None or self._ended or self._workbench.restoring is not None:
            return
        if self._sections() != self._sent:
            self.save()

    def _on_started(self, _: str) -> None:
        self.save()

    def _on_stopped(self, _: str) -> None:
        self.save()

    def _on_objects_changed(self) -> None:
        objects = self._workbench.objects
        if objects is not None and self._book is not None and not self._is_of(objects):
            self._let_go()  # now, so that the file can be reopened
            self._done.start()
        if not self._workbench.runner.is_running:
            self._quiet.start()

    def _on_painted(self, geometry: StackGeometry, frames: set[int]) -> None:
        objects = self._workbench.objects
        if objects is None or objects.layer is None or self._ended:
            return
        if objects.layer not in self._painted:
            self._painted[objects.layer] = set()
            objects.layer.events.set_data.connect(self._on_redrawn)
        self._painted[objects.layer] |= frames
        self._the_book().touch(geometry, frames)
        self._quiet.start()

    def _on_redrawn(self, event: Event) -> None:
        """The layer is drawn anew, though nobody moved: napari's own undo tells nothing else."""
        step, self._step = self._step, tuple(self._viewer.dims.current_step)
        objects, geometry = self._workbench.objects, self._workbench.geometry
        if self._ended or objects is None or geometry is None or self._step != step:
            return
        if objects.layer is event.source and not self._workbench.runner.is_running:
            self._the_book().touch(geometry, self._painted[objects.layer])
            self._quiet.start()

    def _tell_when_done(self) -> None:
        if self._last is None or self._last.done():
            self._done.stop()
            error = None if self._last is None else self._last.exception()
            if error is not None and self._book is not None:
                self._book.problem = repr(error)
                _log.error("The session was not saved", exc_info=error)
            self.saved.emit()


def _after(before: Future[None] | None, request: Iterator[Update]) -> Iterator[Update]:
    """A request that begins when what was handed over before is saved."""
    if before is not None:
        wait([before])
    yield from request


def source_path(image: Image) -> Path | None:
    """The file or folder that an image came from; None where it came from none."""
    path = image.source.path
    if not path or "://" in str(path):
        return None
    return Path(path) if Path(path).exists() else None
