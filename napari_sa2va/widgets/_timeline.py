"""A row for each object, a cell for each frame: what is there, how sure, and what to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import numpy.typing as npt
from qtpy.QtCore import QEvent, QRect, QSize, Qt, Signal
from qtpy.QtGui import QColor, QHelpEvent, QImage, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from qtpy.QtWidgets import QSizePolicy, QToolTip, QWidget

from napari_sa2va.core.records import ObjectRecord
from napari_sa2va.core.review import NEAR, MaskFacts, doubt

ROW, GAP = 16, 2  # pixels
NAMES = 110  # pixels left of the cells
WIDE = 6  # pixels from which cells are set apart
STRIP = 4  # pixels at the top and at the bottom of a row
# From a low score to a high one, dark to light, told apart by all eyes (ends of cividis).
LOW, HIGH = (0, 45, 110), (253, 231, 55)
ABSENT = (70, 70, 70)
DOUBTFUL, PROMPTED, VERIFIED = (255, 60, 60), (255, 160, 40), (255, 255, 255)


class Row:
    """What the timeline shows of an object; frame by frame, so that little is done for each change.

    Parameters
    ----------
    record : ObjectRecord
        The object.
    facts : mapping of int to MaskFacts
        What its masks measure, by frame.
    frames : int
        Of the stack.
    """

    def __init__(self, record: ObjectRecord, facts: Mapping[int, MaskFacts], frames: int) -> None:
        self.record, self._facts = record, facts
        self.doubts: dict[int, str] = {}
        self.scores = np.full(frames, np.nan)
        self.prompted, self.doubtful, self.verified = np.zeros((3, frames), bool)
        for prompt in record.prompts:
            if 0 <= prompt.get("frame", -1) < frames:
                self.prompted[prompt["frame"]] = True
        for frame in record.verified_frames:
            if frame < frames:
                self.verified[frame] = True
        for frame in record.scores:
            self._judge(frame)

    @property
    def object_id(self) -> int:
        return self.record.object_id

    def touch(self, frame: int) -> None:
        """The mask in this frame is another one: those near are judged by what is usual there."""
        for near in range(frame - NEAR, frame + NEAR + 2):  # the next one is compared with it
            self._judge(near)

    def _judge(self, frame: int) -> None:
        if not 0 <= frame < len(self.scores):
            return
        self.scores[frame] = self.record.scores.get(frame, np.nan)
        why = doubt(self.record, self._facts, frame)
        self.doubtful[frame] = bool(why)
        self.doubts.pop(frame, None)
        if why:
            self.doubts[frame] = why

    def told(self, frame: int) -> str:
        """A frame in words."""
        record = self.record
        name = f"Object {record.object_id}" + (f" ({record.phrase})" if record.phrase else "")
        score = record.scores.get(frame)
        if score is None:
            return f"{name}, frame {frame}: not looked at"
        parts = [f"score {score:.2f}" if score > 0 else "absent"]
        if self.prompted[frame]:
            parts.append("prompted")
        if self.verified[frame]:
            parts.append("verified")
        if frame in self.doubts:
            parts.append(f"look here: {self.doubts[frame]}")
        return f"{name}, frame {frame}: " + ", ".join(parts)


class Timeline(QWidget):
    """Draws `Row`s; a click goes to a frame of an object.

    Signals
    -------
    chosen : (int, int)
        The user chose an object in a frame.
    """

    chosen = Signal(int, int)

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows: list[Row] = []
        self._color: Callable[[int], tuple[float, float, float]] = lambda _: (0.5, 0.5, 0.5)
        self._frames, self._frame, self._selected = 1, 0, 0
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self.setAccessibleName("Timeline of the objects")

    def show_rows(
        self,
        rows: Sequence[Row],
        frames: int,
        color: Callable[[int], tuple[float, float, float]],
    ) -> None:
        """Show these objects over so many frames."""
        self._rows, self._frames, self._color = list(rows), max(1, frames), color
        self.updateGeometry()
        self.update()

    def redraw(self) -> None:
        """Some cells of the rows have changed."""
        self.update()

    def show_place(self, object_id: int | None, frame: int) -> None:
        """The viewer stands at this frame, and this object is selected."""
        self._selected, self._frame = object_id or 0, frame
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802
        return QSize(400, self.minimumSizeHint().height())

    def minimumSizeHint(self) -> QSize:  # noqa: N802
        return QSize(NAMES + 60, max(1, len(self._rows)) * (ROW + GAP) + GAP)

    def place_at(self, x: float, y: float) -> tuple[int, int] | None:
        """The (object, frame) under a point of the widget."""
        row = int(y // (ROW + GAP))
        if not 0 <= row < len(self._rows) or x < NAMES:
            return None
        cell = (x - NAMES) * self._frames / max(1, self.width() - NAMES)
        return self._rows[row].object_id, min(self._frames - 1, int(cell))

    def paintEvent(self, event: QPaintEvent | None) -> None:  # noqa: N802
        width = max(1, self.width() - NAMES)
        seen = self.rect() if event is None else event.rect()
        painter = QPainter(self)
        # Of hundreds of rows few are seen.
        for number in range(
            max(0, seen.top() // (ROW + GAP) - 1),
            min(len(self._rows), seen.bottom() // (ROW + GAP) + 1),
        ):
            row, top = self._rows[number], number * (ROW + GAP) + GAP
            self._paint_name(painter, row, top)
            painter.drawImage(NAMES, top, picture(row, width))
        left = NAMES + round(self._frame * width / self._frames)
        right = NAMES + round((self._frame + 1) * width / self._frames)
        here = QRect(left, 0, max(2, right - left), self.minimumSizeHint().height() - 1)
        painter.setPen(self.palette().text().color())
        painter.drawRect(here)

    def _paint_name(self, painter: QPainter, row: Row, top: int) -> None:
        if row.object_id == self._selected:
            painter.fillRect(0, top - 1, NAMES - 4, ROW + 2, self.palette().highlight())
        painter.fillRect(2, top + 3, 10, 10, QColor.fromRgbF(*self._color(row.object_id)))
        painter.setPen(self.palette().text().color())
        name = f"{row.object_id} {row.record.phrase}"
        room = QRect(16, top, NAMES - 22, ROW)
        short = painter.fontMetrics().elidedText(name, Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(room, Qt.AlignmentFlag.AlignVCenter, short)

    def mousePressEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is not None:
            self._choose(event.position().x(), event.position().y())

    def mouseMoveEvent(self, event: QMouseEvent | None) -> None:  # noqa: N802
        if event is not None and event.buttons() & Qt.MouseButton.LeftButton:
            self._choose(event.position().x(), event.position().y())

    def _choose(self, x: float, y: float) -> None:
        place = self.place_at(x, y)
        if place is not None:
            self.chosen.emit(*place)

    def keyPressEvent(self, event: QKeyEvent | None) -> None:  # noqa: N802
        ids = [row.object_id for row in self._rows]
        steps = {
            Qt.Key.Key_Left: (0, -1),
            Qt.Key.Key_Right: (0, 1),
            Qt.Key.Key_Up: (-1, 0),
            Qt.Key.Key_Down: (1, 0),
        }
        if event is None or event.key() not in steps or not ids:
            super().keyPressEvent(event)
            return
        down, on = steps[event.key()]
        row = ids.index(self._selected) + down if self._selected in ids else 0
        frame = min(max(0, self._frame + on), self._frames - 1)
        self.chosen.emit(ids[min(max(0, row), len(ids) - 1)], frame)

    def event(self, event: QEvent | None) -> bool:
        if isinstance(event, QHelpEvent) and event.type() == QEvent.Type.ToolTip:
            place = self.place_at(event.pos().x(), event.pos().y())
            rows = {row.object_id: row for row in self._rows}
            text = "" if place is None else rows[place[0]].told(place[1])
            QToolTip.showText(event.globalPos(), text, self)
            return True
        return super().event(event)


def picture(row: Row, width: int) -> QImage:
    """A row's cells, ROW pixels high; where pixels are few, each shows its worst frame."""
    canvas = _cells(row, width)
    image = QImage(canvas.data, width, ROW, 4 * width, QImage.Format.Format_RGBA8888)
    return image.copy()  # it outlives the array


def _cells(row: Row, width: int) -> npt.NDArray[np.uint8]:
    first = np.arange(width) * len(row.scores) // width  # frame of each column of pixels
    score = _worst(row.scores, first)
    cells = np.zeros((ROW, width, 4), np.uint8)
    present = score > 0
    share = np.clip((score[present, None] - 0.3) / 0.7, 0, 1)
    cells[:, ~np.isnan(score)] = (*ABSENT, 255)
    cells[:, present, :3] = (1 - share) * LOW + share * HIGH
    for color, marked, strip in (
        (PROMPTED, row.prompted, slice(0, STRIP)),
        (DOUBTFUL, row.doubtful, slice(0, STRIP)),
        (VERIFIED, row.verified, slice(ROW - STRIP, ROW)),
    ):
        cells[strip, np.logical_or.reduceat(marked, first)] = (*color, 255)
    if width >= WIDE * len(row.scores):
        cells[:, np.flatnonzero(np.diff(first)) + 1] = 0
    return cells


def _worst(scores: npt.NDArray[np.float64], first: npt.NDArray[np.intp]) -> npt.NDArray[np.float64]:
    """The lowest score above 0 from each frame of `first` on; 0 or NaN where there is none."""
    absent, unknown = 10.0, np.inf
    filled = np.where(np.isnan(scores), unknown, np.where(scores > 0, scores, absent))
    low = np.minimum.reduceat(filled, first)
    return np.where(low == unknown, np.nan, np.where(low == absent, 0.0, low))
