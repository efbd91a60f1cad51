"""Buttons that are pressed by key, also where the canvas has the focus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from weakref import ref

if TYPE_CHECKING:
    import napari
    from qtpy.QtWidgets import QWidget


def bind_keys(viewer: napari.Viewer, panel: QWidget, keys: Mapping[str, str]) -> None:
    """Let keys press a panel's buttons where the canvas has the focus.

    Parameters
    ----------
    viewer : napari.Viewer
        Whose canvas it is.
    panel : QWidget
        Has the buttons; not kept alive.
    keys : mapping of str to str
        The attribute that names the button, by key as Qt writes it ("Shift+N").
    """
    weak = ref(panel)  # the viewer outlives it

    def press(name: str) -> Callable[[object], None]:
        def act(_: object) -> None:
            if (shown := weak()) is not None:
                getattr(shown, name).click()  # does nothing where the button is off

        return act

    for key, name in keys.items():
        viewer.bind_key(_in_napari(key), press(name), overwrite=True)


def release_keys(viewer: napari.Viewer, keys: Iterable[str]) -> None:
    """Let go of keys that were bound."""
    for key in keys:
        viewer.bind_key(_in_napari(key), None)


def _in_napari(key: str) -> str:
    return key.replace("+", "-")
