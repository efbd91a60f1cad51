"""The keys of the dock, listed where a person looks for them."""

from __future__ import annotations

from qtpy.QtWidgets import QWidget

from napari_sa2va.widgets._menu_button import MenuButton
from napari_sa2va.widgets._prompt_panel import POLARITY_KEY
from napari_sa2va.widgets._review_panel import ACCEPT_KEY, BEFORE_KEY, NEXT_KEY, REJECT_KEY

KEYS = (
    ("Enter", "in the description: segment; in the question: send"),
    ("Up", "in the description: the last words again"),
    (POLARITY_KEY, "in the points layer: the next point is positive or negative"),
    ("F2", "in the list: edit the phrase or the class"),
    ("Del", "in the list: delete the object"),
    (NEXT_KEY, "in review: the next doubtful mask"),
    (BEFORE_KEY, "in review: the doubtful mask before"),
    (ACCEPT_KEY, "in review: the mask is right, go on"),
    (REJECT_KEY, "in review: the mask is wrong, go on"),
)


class KeysButton(MenuButton):
    """Shows the keys."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("Keys", "The keys that the dock knows", parent)
        for key, what in KEYS:
            # Only a text: the key itself is bound where it works.
            self.menu().addAction(f"{key}: {what}").setEnabled(False)
