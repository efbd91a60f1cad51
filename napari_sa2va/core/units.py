"""Amounts as people read them."""

from __future__ import annotations


def readable_size(count: float) -> str:
    """Bytes in decimal units, as disks and downloads are told."""
    for unit, many in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= many:
            return f"{count / many:.1f} {unit}"
    return f"{count:.0f} B"


def readable_count(number: int) -> str:
    """A number of parameters in millions or billions."""
    return f"{number / 1e9:.2f} B" if number >= 1e8 else f"{number / 1e6:.1f} M"


def readable_time(seconds: float) -> str:
    """A span of time, no finer than a person waits."""
    minutes = round(seconds / 60)
    if minutes < 2:
        return f"{max(1, round(seconds))} s"
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
