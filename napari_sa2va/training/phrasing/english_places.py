"""Where things are, in English: `{}` is the noun."""

from __future__ import annotations

from napari_sa2va.training.phrasing.forms import Forms


def _side_located(side: str) -> Forms:
    at = "on the" if side in ("left", "right") else "at the"
    return Forms(
        (f"the {{}} {at} {side}",),
        (
            f"the {side} {{}}",
            f"the {{}} {at} {side} side" if at == "on the" else f"the {{}} at the very {side}",
            f"the {{}} {at} {side} of the image",
            f"the {{}} in the {side} part of the image",
            f"the {{}} near the {side} edge",
        ),
    )


def _side_extreme(side: str) -> Forms:
    towards = f"furthest to the {side}" if side in ("left", "right") else f"closest to the {side}"
    return Forms(
        (f"the {side}most {{}}",),
        (
            f"the {{}} {towards}",
            f"the {{}} farthest {'down' if side == 'bottom' else 'up' if side == 'top' else side}",
            f"the {{}} closest to the {side} edge",
            f"the {side}-most {{}}",
        ),
    )


def _corner_located(corner: str) -> Forms:
    upper = corner.replace("top", "upper").replace("bottom", "lower")
    return Forms(
        (f"the {{}} in the {corner}", f"the {{}} in the {corner} corner"),
        (
            f"the {corner} {{}}",
            f"the {{}} at the {corner}",
            f"the {{}} in the {upper} corner",
            f"the {upper} {{}}",
            f"the {{}} in the {corner} of the image",
        ),
    )


def _corner_extreme(corner: str) -> Forms:
    return Forms(
        (f"the {{}} closest to the {corner} corner", f"the {{}} closest to the {corner}"),
        (f"the {{}} nearest to the {corner} corner", f"the {{}} furthest to the {corner}"),
    )


SIDES = ("left", "right", "top", "bottom")
CORNERS = ("top left", "top right", "bottom left", "bottom right")
LOCATED = {
    **{side: _side_located(side) for side in SIDES},
    **{corner: _corner_located(corner) for corner in CORNERS},
    "center": Forms(
        ("the {} in the middle", "the {} in the center"),
        ("the central {}", "the {} at the center", "the middle {}", "the {} in the centre"),
    ),
}
EXTREME = {
    **{side: _side_extreme(side) for side in SIDES},
    **{corner: _corner_extreme(corner) for corner in CORNERS},
    "center": Forms(
        ("the {} closest to the center", "the {} closest to the middle"),
        ("the most central {}", "the {} nearest to the center", "the {} nearest to the middle"),
    ),
}
