"""The keys of the dock, listed where a person looks for them."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_sa2va.widgets import _expressions_panel as expressions
from napari_sa2va.widgets import _review_panel as review
from napari_sa2va.widgets import _run_panel as runs
from napari_sa2va.widgets._menu_button import MenuButton
from napari_sa2va.widgets._prompt_panel import POLARITY_KEY

KEYS = (
    ("Enter", "in the description: segment; in the question: send"),
    ("Up", "in the description: the last words again"),
    (runs.SEGMENT_KEY, "on the canvas: segment this frame"),
    (runs.BACKWARD_KEY, "on the canvas: follow the objects backward"),
    (runs.BOTH_KEY, "on the canvas: follow the objects both ways"),
    (runs.FORWARD_KEY, "on the canvas: follow the objects forward"),
    (runs.CANCEL_KEY, "on the canvas: cancel what runs"),
    (runs.UNDO_KEY, "on the canvas: undo"),
    (runs.REDO_KEY, "on the canvas: redo"),
    (POLARITY_KEY, "in the points layer: the next point is positive or negative"),
    ("F2", "in the list: edit the phrase or the class"),
    ("Del", "in the list: delete the object"),
    (review.NEXT_KEY, "in review: the next doubtful mask"),
    (review.BEFORE_KEY, "in review: the doubtful mask before"),
    (review.ACCEPT_KEY, "in review: the mask is right, go on"),
    (review.REJECT_KEY, "in review: the mask is wrong, go on"),
    (expressions.FITS_KEY, "in expressions: the phrase fits, go on"),
    (expressions.UNFIT_KEY, "in expressions: the phrase does not fit, go on"),
    (expressions.NEXT_KEY, "in expressions: the next phrase not yet judged"),
)


class KeysButton(MenuButton):
    """Shows the keys."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Keys", "The keys that the dock knows", parent)
        for key, what in KEYS:
            # Only a text: the key itself is bound where it works.
            self.menu().addAction(f"{key}: {what}").setEnabled(False)
