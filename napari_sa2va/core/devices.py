"""What a device has room for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class DeviceMemory:
    """The memory of the device that a model would be loaded onto.

    Attributes
    ----------
    device : str
        As `napari_sa2va.load` takes it: ``"cuda"``, ``"mps"`` or ``"cpu"``.
    name : str
        What a person calls it.
    dtype : str
        The precision in which a model would be loaded there.
    free, total : int
        Bytes. What a loaded model holds counts as free: another one takes its place.
    """

    device: str
    name: str
    dtype: str
    free: int
    total: int
