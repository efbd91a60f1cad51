"""Reads how much memory a device has."""

from __future__ import annotations

import psutil
import torch

from napari_sa2va.core.devices import DeviceMemory
from napari_sa2va.engine.runtime import choose_device, choose_dtype


def read_device_memory(device: str, dtype: str, held: int = 0) -> DeviceMemory:
    """The memory of the device that `napari_sa2va.load` would choose.

    Parameters
    ----------
    device, dtype : str
        As `napari_sa2va.load` takes them.
    held : int
        Bytes of a loaded model, which count as free.

    Raises
    ------
    InputError
        There is no such device or dtype here.
    """
    chosen = choose_device(device)
    precision = str(choose_dtype(dtype, chosen)).removeprefix("torch.")
    if chosen.type == "cuda":
        name = torch.cuda.get_device_name(chosen)
        free, total = torch.cuda.mem_get_info(chosen)
        # Blocks that torch keeps for itself are free to whatever it loads next.
        free += torch.cuda.memory_reserved(chosen) - torch.cuda.memory_allocated(chosen)
    elif chosen.type == "mps":
        name, total = "the GPU of this Mac", torch.mps.recommended_max_memory()
        free = max(0, total - torch.mps.driver_allocated_memory())
    else:
        memory = psutil.virtual_memory()
        name, free, total = "this computer", memory.available, memory.total
    return DeviceMemory(str(chosen), name, precision, min(free + held, total), total)
