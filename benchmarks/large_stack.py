"""A stack that memory does not hold, annotated in the dock with nano: memory and stalls.

    xvfb-run -a python -m benchmarks.large_stack [FRAMES [FOLDER]]

2,000 frames of 2048 x 2048 uint16 in Zarr (16 GiB; the frames compress well) are opened in napari.
A box on frame 1000 is followed FRAMES frames each way (default 50), corrected by brush and click,
undone and redone, saved, exported, and reopened from the session file in another process. The
stack stays in FOLDER if it is given.

Memory is the largest resident size of napari's process, and of its child processes together where
the backend is one. A timer on the Qt thread ticks every 2 ms; what is late is a stall. "Busy" is
the most processor time that the Qt thread itself took between two ticks; what a stall has beyond
it, the thread waited for others. Both count what the canvas is drawn by where there is no graphics
card. Opening the viewer and the files happens before the timer starts: that is napari's own. To
compare with, napari alone, without the dock, first adds the same kinds of layers to the same stack,
goes to frames, is painted in and drawn anew. Full garbage collections (of napari's objects, mostly)
are told where they happen: all threads wait.
"""

from __future__ import annotations

import gc
import json
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import zarr

STACK, LABELS, EXPECTED = "stack.zarr", "labels.ome.zarr", "expected.json"
CORNERS = ((-1, -1), (-1, 1), (1, 1), (1, -1))
LENGTH, SIDE, HERE = 2000, 2048, 1000
_MIB = 2**20


def draw(folder: Path) -> None:
    """The stack: a disc that wanders over a dim, dotted ground, and others that stand still."""
    path = folder / STACK
    if path.exists() and zarr.open_array(path).attrs.get("complete"):
        return
    y, x = np.ogrid[:SIDE, :SIDE]
    ground = (300 + y // 16 + x // 16 + 200 * ((y % 64 < 4) & (x % 64 < 4))).astype(np.uint16)
    for centre in range(256, SIDE, 512):
        ground[(y - centre) ** 2 + (x - 1800) ** 2 < 90**2] = 2500
    shape = (LENGTH, SIDE, SIDE)
    stack = zarr.create_array(path, shape=shape, chunks=(1, SIDE, SIDE), dtype=np.uint16)
    for frame in range(LENGTH):
        plane = ground.copy()
        top, left = (int(value) - 120 for value in place(frame))
        disc = np.hypot(*np.ogrid[-120:120, -120:120]) < 110
        plane[top : top + 240, left : left + 240][disc] = 4000
        stack[frame] = plane
        if frame % 200 == 0:
            print(f"drawing frame {frame}", flush=True)
    stack.attrs["complete"] = True


def place(frame: int) -> tuple[float, float]:
    """The middle (y, x) of the disc."""
    return 1000 + 500 * np.sin(frame / 70), 900 + 500 * np.cos(frame / 90)


class Memory:
    """Watches how large this process, and its children together, become."""

    def __init__(self) -> None:
        self.own = self.children = 0
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        process, children, looks = psutil.Process(), [], 0
        while True:
            if looks % 50 == 0:  # it takes a while
                children = process.children(recursive=True)
            looks += 1
            together = 0
            for child in children:
                with suppress(psutil.Error):  # it ended meanwhile
                    together += child.memory_info().rss
            self.own = max(self.own, process.memory_info().rss)
            self.children = max(self.children, together)
            time.sleep(0.04)

    def __str__(self) -> str:
        told = f"napari {self.own / _MIB:.0f} MiB"
        return told + (f", child processes {self.children / _MIB:.0f} MiB" if self.children else "")


class Window:
    """napari's window with the stack, and what a user does in it, timed."""

    labels: Any

    def __init__(self, folder: Path) -> None:
        import napari

        self.folder, self.memory = folder, Memory()
        self.viewer = napari.Viewer()
        self.viewer.open(folder / STACK, plugin="napari")
        self.image = self.viewer.layers[0]
        self.viewer.dims.set_current_step(0, HERE)
        # Without a graphics card each pixel of the canvas is computed: let them be few.
        self.viewer.window.resize(900, 700)
        self.stalls: dict[str, float] = {}

    def timed(self, what: str, action: Callable[[], Any], ends: Callable[[], bool]) -> None:
        """Do something on the Qt thread and tick until it has ended."""
        from qtpy.QtCore import QEventLoop, QTimer

        loop, ticks, busy = QEventLoop(), [], []
        timer = QTimer(interval=2)

        def tick() -> None:
            ticks.append(time.perf_counter())
            busy.append(time.thread_time())
            if len(ticks) > 20 and ends():
                loop.quit()

        def start() -> None:
            tick()  # what the action itself takes is a stall, too
            action()

        timer.timeout.connect(tick)
        timer.start()
        QTimer.singleShot(0, start)
        loop.exec_() if hasattr(loop, "exec_") else loop.exec()
        timer.stop()
        self.stalls[what] = 1000 * float(np.diff(ticks).max())
        took, own = ticks[-1] - ticks[0], 1000 * float(np.diff(busy).max())
        stall = f"stall {self.stalls[what]:.0f} ms, busy {own:.0f} ms"
        print(f"{what:28} {took:6.1f} s  {stall:28} {self.memory}", flush=True)

    def adds(self, what: str, action: Callable[[], Any]) -> None:
        """Add a layer, until it was drawn for the first time."""
        layers, count = self.viewer.layers, len(self.viewer.layers)
        self.timed(what, action, lambda: len(layers) > count)
        self.settle(0.5)

    def settle(self, seconds: float) -> None:
        """Let what is on its way come to rest, untimed."""
        from qtpy.QtWidgets import QApplication

        until = time.monotonic() + seconds
        while time.monotonic() < until:
            QApplication.processEvents()
            time.sleep(0.005)

    def go_to(self, frame: int) -> None:
        dims = self.viewer.dims
        self.timed(
            f"go to frame {frame}",
            lambda: dims.set_current_step(0, frame),
            lambda: dims.current_step[0] == frame,
        )

    def paint(self, y: float, x: float) -> None:
        """A stroke of the brush, dab by dab."""
        from qtpy.QtCore import QTimer

        layer = self.labels
        layer.selected_label, layer.brush_size = 1, 40
        frame, left = self.viewer.dims.current_step[0], list(range(40))

        def dab() -> None:
            if left:
                layer.paint((frame, y, x + 4 * left.pop()), 1)

        timer = QTimer(interval=8)
        timer.timeout.connect(dab)
        self.timed("paint a stroke", timer.start, lambda: not left)


class Desk(Window):
    """The same with the dock."""

    def __init__(self, folder: Path) -> None:
        from napari_sa2va.widgets import Sa2VAWidget

        super().__init__(folder)
        self.widget = Sa2VAWidget(self.viewer)
        self.viewer.window.add_dock_widget(self.widget)
        self.settle(10)  # the dock imports ahead, the canvas is drawn for the first time

    @property
    def labels(self) -> Any:
        from napari_sa2va.widgets._object_labels import find_labels

        return find_labels(self.viewer, self.image)

    def run(self, what: str, action: Callable[[], Any]) -> None:
        """A run of the dock, from its start to its end."""
        begun = []
        self.widget.workbench.started.connect(lambda *_: begun.append(1))
        runner = self.widget.workbench.runner
        self.timed(what, action, lambda: bool(begun) and not runner.is_running)

    def save(self) -> Path:
        """What is new goes into the session file, as it does by itself."""
        autosave = self.widget.autosave
        saved = []
        autosave.saved.connect(lambda: saved.append(1))
        self.timed("save the session", autosave.save, lambda: bool(saved))
        if autosave.problem or autosave.path is None:
            raise SystemExit(f"The session was not saved: {autosave.problem}")
        return autosave.path

    def export(self) -> None:
        """As File > Save does it, but in a thread as the window for exports does."""
        from napari_sa2va.export import write

        path, layer = self.folder / LABELS, self.labels
        thread = threading.Thread(target=write, args=(layer, path, "ome-zarr"))
        self.timed("export to OME-Zarr", thread.start, lambda: not thread.is_alive())


def tell_collections() -> None:
    """Print full garbage collections that take long."""
    began = 0.0

    def told(phase: str, info: dict[str, int]) -> None:
        nonlocal began
        took = time.perf_counter() - began
        if phase == "stop" and took > 0.04:
            print(
                f"  garbage collection {1000 * took:.0f} ms, in {threading.current_thread().name}"
            )
        began = time.perf_counter()

    gc.callbacks.append(told)


def alone(folder: Path, frames: int) -> None:
    """Napari without the dock: what a Labels layer on disk over the stack takes by itself."""
    window = Window(folder)
    viewer = window.viewer
    window.settle(10)
    tell_collections()
    shape, blocks = (LENGTH, SIDE, SIDE), (1, 256, 256)
    with tempfile.TemporaryDirectory() as temporary:
        store = zarr.create_array(
            Path(temporary) / "labels.zarr", shape=shape, chunks=blocks, dtype=np.uint8
        )
        window.adds("add Shapes", partial(viewer.add_shapes, ndim=3))
        window.adds("add Labels", partial(viewer.add_labels, store, name="alone"))
        window.labels = viewer.layers["alone"]
        window.go_to(HERE + frames // 2)
        window.paint(*place(HERE))
        window.adds("add Points", partial(viewer.add_points, ndim=3))
        window.timed("draw the labels anew", window.labels.refresh, lambda: True)
        window.go_to(HERE - frames // 2)
        viewer.close()


def annotate(folder: Path, frames: int) -> None:
    desk = Desk(folder)
    tell_collections()
    widget, viewer = desk.widget, desk.viewer
    print(f"opened; {desk.memory}", flush=True)
    y, x = place(HERE)
    desk.adds("add boxes", widget.add_boxes)
    corners = [[HERE, y + 115 * down, x + 115 * right] for down, right in CORNERS]
    viewer.layers["Sa2VA boxes"].add_rectangles(np.array(corners))
    desk.run("segment, loading the model", widget.segment)
    widget.picker.first.setValue(HERE - frames)
    widget.picker.last.setValue(HERE + frames)
    desk.run(f"propagate {frames} each way", lambda: widget.propagate("both"))
    print(f"{truth(desk, frames):.3f} mean overlap with the truth", flush=True)
    corrected = HERE + frames // 2
    desk.go_to(corrected)
    y, x = place(corrected)
    desk.paint(y - 130, x - 80)
    desk.adds("add points", widget.add_points)
    viewer.layers["Sa2VA points"].add([[corrected, y, x]])
    desk.run("segment again", widget.segment)
    desk.run("undo", widget.workbench.undo)
    desk.run("undo the propagation", widget.workbench.undo)
    desk.run("redo the propagation", widget.workbench.redo)
    desk.go_to(HERE - frames // 2)
    session = desk.save()
    desk.export()
    (folder / EXPECTED).write_text(json.dumps([str(session), sums(desk, frames)]))
    print(f"the session file: {session.stat().st_size / _MIB:.1f} MiB", flush=True)
    worst = max(desk.stalls, key=lambda what: desk.stalls[what])
    print(f"peak: {desk.memory}; longest stall {desk.stalls[worst]:.0f} ms ({worst})", flush=True)
    viewer.close()


def truth(desk: Desk, frames: int) -> float:
    """Mean overlap (IoU) of the masks with the disc."""
    y, x = np.ogrid[:SIDE, :SIDE]
    overlaps = []
    for frame in range(HERE - frames, HERE + frames + 1, max(1, frames // 10)):
        centre_y, centre_x = (int(value) for value in place(frame))
        disc = (y - centre_y) ** 2 + (x - centre_x) ** 2 < 110**2
        mask = np.asarray(desk.labels.data[frame] == 1)
        overlaps.append((disc & mask).sum() / (disc | mask).sum())
    return float(np.mean(overlaps))


def sums(desk: Desk, frames: int) -> list[int]:
    """The pixels of the object in each frame that was followed, and in those beside them."""
    labels = desk.labels.data
    return [int((labels[f] == 1).sum()) for f in range(HERE - frames - 1, HERE + frames + 2)]


def reopen(folder: Path, frames: int) -> None:
    desk = Desk(folder)
    tell_collections()
    session, expected = json.loads((folder / EXPECTED).read_text())
    desk.run("reopen the session", lambda: desk.widget.reopen(Path(session)))
    if sums(desk, frames) != expected:
        raise SystemExit("The masks that came back are others.")
    desk.go_to(HERE + frames)
    print(f"all masks are back; peak: {desk.memory}", flush=True)
    desk.viewer.close()


def main() -> None:
    if sys.argv[1:2] == ["--do"]:
        what = {"alone": alone, "annotate": annotate, "reopen": reopen}[sys.argv[2]]
        what(Path(sys.argv[3]), int(sys.argv[4]))
        return
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 50
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(sys.argv[2] if len(sys.argv) > 2 else temporary)
        folder.mkdir(parents=True, exist_ok=True)
        shutil.rmtree(folder / LABELS, ignore_errors=True)
        for old in folder.glob(f"{STACK}*.sa2va"):
            old.unlink()
        draw(folder)
        for step in ("alone", "annotate", "reopen"):
            command = [sys.executable, "-m", "benchmarks.large_stack", "--do", step]
            subprocess.run([*command, str(folder), str(frames)], check=True)


if __name__ == "__main__":
    main()
