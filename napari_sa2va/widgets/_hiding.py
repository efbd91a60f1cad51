"""Objects that are not drawn."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from napari.layers import Labels

_OTHERS = (0.5, 0.5, 0.5, 1.0)  # labels that are no object of ours


class Hiding:
    """Keeps the colours of a Labels layer, with those of hidden objects left out.

    Parameters
    ----------
    layer : Labels
        The layer. Its own colormap counts again when nothing is hidden.
    """

    def __init__(self, layer: Labels) -> None:
        self._layer = layer
        self._own: Any = layer.colormap
        self._shown: Any = layer.colormap
        self._state: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())

    def color(self, object_id: int) -> Any:
        """An object's colour (RGBA), hidden or not; None for background."""
        self._look()
        if object_id == self._own.background_value:
            return None
        return _mapped(self._own, object_id)

    def hide(self, hidden: Collection[int], object_ids: Collection[int]) -> None:
        """Hide these of the objects that there are."""
        self._look()
        state = (frozenset(hidden), frozenset(object_ids) if hidden else frozenset())
        if state == self._state:
            return
        self._state = state
        self._shown = self._partial(hidden, object_ids) if hidden else self._own
        self._layer.colormap = self._shown

    def _look(self) -> None:
        """Somebody else may have given the layer other colours."""
        if self._layer.colormap is not self._shown:
            self._own = self._shown = self._layer.colormap
            self._state = (frozenset(), frozenset())

    def _partial(self, hidden: Collection[int], object_ids: Collection[int]) -> Any:
        from napari.utils import DirectLabelColormap

        colors = {None: _OTHERS, 0: (0.0, 0.0, 0.0, 0.0)}
        colors |= {label: tuple(_mapped(self._own, label)) for label in object_ids}
        colors |= dict.fromkeys(hidden, (0.0, 0.0, 0.0, 0.0))
        return DirectLabelColormap(color_dict=colors)


def _mapped(colormap: Any, object_id: int) -> Any:
    """A colour as it is while no object is shown alone."""
    if not colormap.use_selection:
        return colormap.map(object_id)
    with colormap.events.blocker_all():  # nobody is to draw it so
        colormap.use_selection = False
        try:
            return colormap.map(object_id)
        finally:
            colormap.use_selection = True
