"""One request at a time, in a worker thread of napari, with progress and Cancel."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

from napari.qt.threading import GeneratorWorker, create_worker
from napari.utils.progress import cancelable_progress
from qtpy.QtCore import QObject, QTimer, Signal

from napari_sa2va.core.errors import Sa2VAError
from napari_sa2va.core.events import Failed, Finished, Progress, Reasoning, Token
from napari_sa2va.widgets._updates import Interrupted, Update

# Tokens come faster than anybody reads: they are handed on a few dozen times a second.
_TOKEN_SECONDS = 0.03
_PROGRESS_MS = 100
# napari draws the whole window anew for a bar: what ends sooner shows none.
_BAR_AFTER_MS = 400

_log = logging.getLogger(__name__)


class Runner(QObject):
    """Runs requests.

    Signals
    -------
    updated : Update
        The request came on; the last update is `Finished`, `Failed` or `Interrupted`, none of them
        if cancelled.
    stopped : str
        The request ended: "done", "failed" or "cancelled"; or it is "interrupted", and goes on
        where it stands when it is started again.
    """

    updated = Signal(object)
    stopped = Signal(str)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._worker: _Worker | None = None
        self._bar: _Bar | None = None
        self._outcome = "done"
        self._latest: Progress | None = None
        self._timer = QTimer(self, interval=_PROGRESS_MS)
        self._timer.timeout.connect(self._show_progress)
        self._title = ""
        self._patience = QTimer(self, interval=_BAR_AFTER_MS, singleShot=True)
        self._patience.timeout.connect(self._open_bar)

    @property
    def is_running(self) -> bool:
        """Whether a request is on its way."""
        return self._worker is not None

    def start(self, title: str, request: Iterator[Update], at_end: Callable[[], None]) -> None:
        """Run a request; `at_end` is called in the worker thread, whatever happens."""
        if self.is_running:
            raise RuntimeError("A request is running already.")
        self._outcome = "done"
        self._latest = None
        self._title = title
        self._worker = create_worker(guarded, request, at_end, _worker_class=_Worker)
        self._worker.yielded.connect(self._on_update)
        self._worker.finished.connect(self._on_finished)
        self._timer.start()
        self._patience.start()
        self._worker.start()

    def cancel(self) -> None:
        """End the request as soon as its current step is done; what was done stays."""
        if self._worker is not None:
            self._worker.quit()

    def _on_update(self, update: Update) -> None:
        if isinstance(update, Progress):
            self._latest = update
        elif isinstance(update, Failed):
            self._outcome = "failed"
        elif isinstance(update, Interrupted):
            self._outcome = "interrupted"
        self.updated.emit(update)

    def _on_finished(self) -> None:
        if self._worker is not None and self._worker.abort_requested:
            self._outcome = "cancelled"
        self._worker = None
        self._timer.stop()
        self._patience.stop()
        bar, self._bar = self._bar, None
        if bar is not None:
            bar.close_when_idle()
        self.stopped.emit(self._outcome)

    def _open_bar(self) -> None:
        # napari lets other events run meanwhile, the end of the request among them.
        worker = self._worker
        bar = _Bar(total=0, desc=self._title, cancel_callback=self.cancel)
        if worker is self._worker:
            self._bar = bar
        else:
            bar.close()

    def _show_progress(self) -> None:
        if self._bar is not None and self._latest is not None:
            latest, self._latest = self._latest, None
            self._bar.show_progress(latest)


class _Worker(GeneratorWorker):
    """Closes its generator in its own thread when it quits, rather than when it is collected."""

    def work(self) -> object:
        try:
            return super().work()
        finally:
            self._gen.close()


class _Bar(cancelable_progress):
    """A bar that is moved by hand: its Cancel calls back at once."""

    _moving = False
    _close_later = False

    def cancel(self) -> None:
        super().cancel()
        if self.cancel_callback is not None:
            self.cancel_callback()

    def show_progress(self, progress: Progress) -> None:
        # napari's bar lets other events run meanwhile, the end of the request among them.
        self._moving = True
        try:
            if self.total != progress.total:
                self.total = progress.total
            self.set_description(progress.what)
            self.update(progress.done - self.n)
        finally:
            self._moving = False
            if self._close_later:
                self.close()

    def close_when_idle(self) -> None:
        if self._moving:
            self._close_later = True
        else:
            self.close()


def guarded(request: Iterator[Update], at_end: Callable[[], None]) -> Iterator[Update]:
    """A request that always ends well: errors become `Failed`, tokens come in batches.

    Where it is interrupted it is left as it stands, and is closed by nobody but its next run.
    """
    stands = False
    try:
        for update in _batched(request):
            yield update
            if isinstance(update, Interrupted):
                stands = True
                return
        yield Finished()
    except Sa2VAError as error:
        yield Failed(error.message, error.hint)
    except MemoryError:
        yield Failed("There is not enough memory.", "Send fewer or smaller images.")
    except Exception as error:
        _log.exception("The request failed")
        yield Failed(f"{type(error).__name__}: {error}", "The log has the traceback.")
    finally:
        close = getattr(request, "close", None)
        if close is not None and not stands:
            close()
        at_end()


def _batched(request: Iterator[Update]) -> Iterator[Update]:
    held: Token | Reasoning | None = None
    last = 0.0
    for update in request:
        if held is not None and not isinstance(update, type(held)):
            yield held
            held = None
        if isinstance(update, Token | Reasoning):
            if held is not None:
                update = replace(update, text=held.text + update.text)
            if time.monotonic() - last < _TOKEN_SECONDS:
                held = update
                continue
            last, held = time.monotonic(), None
        yield update
    if held is not None:
        yield held
