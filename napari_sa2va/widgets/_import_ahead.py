"""Imports and makes ahead, in a thread, what would else keep the Qt thread when it is needed."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from threading import Thread


def import_ahead() -> None:
    """Begin; it goes on behind the window."""
    Thread(target=_import_ahead, name="import ahead", daemon=True).start()


def _import_ahead() -> None:
    # For napari's first layers of each kind, and for Export….
    for module in ("pandas", "skimage.color.colorconv", "napari_sa2va.export.api"):
        with suppress(ImportError):  # napari's business: it only costs time later
            import_module(module)
    # VisPy keeps the dash patterns, 0.2 s of work, that outlines of Labels layers are drawn with.
    with suppress(ImportError, AttributeError):
        import_module("vispy.visuals.line.dash_atlas").DashAtlas()
    # The first Shapes layer compiles its triangulation where there is Numba, which takes a second.
    import_module("napari.layers").Shapes(ndim=2)
