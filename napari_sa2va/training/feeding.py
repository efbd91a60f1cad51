"""Batches from this process or from workers beside it, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from napari_sa2va.training.stage import Source

MakeSource = Callable[[np.random.Generator], Source[Any]]


class _Stream(IterableDataset[Any]):
    def __init__(self, make: MakeSource, seed: Sequence[int]) -> None:
        self._make, self._seed = make, list(seed)

    def __iter__(self) -> Iterator[Any]:
        worker = get_worker_info()
        number = worker.id if worker else 0
        # One thread a worker: they share the cores with each other and with what trains.
        torch.set_num_threads(1)
        source = self._make(np.random.default_rng([*self._seed, number]))
        while True:
            yield source.draw()


def batches(make: MakeSource, seed: Sequence[int], workers: int, device: torch.device) -> Any:
    """Endless batches on a device.

    Parameters
    ----------
    make : callable
        Makes the source of a worker from its generator.
    seed : sequence of int
        What the generators start from, besides the worker's number.
    workers : int
        Processes that draw; 0 draws in this one.
    """
    loader = DataLoader(
        _Stream(make, seed),
        batch_size=None,
        num_workers=workers,
        prefetch_factor=4 if workers else None,
    )
    for batch in loader:
        yield to_device(batch, device)


def to_device(batch: Any, device: torch.device) -> Any:
    """A batch with every tensor in it, however deep in dataclasses and tuples, on a device."""
    if isinstance(batch, Tensor):
        return batch.to(device, non_blocking=True)
    if is_dataclass(batch) and not isinstance(batch, type):
        moved = {
            field.name: to_device(getattr(batch, field.name), device) for field in fields(batch)
        }
        return replace(batch, **moved)
    if isinstance(batch, tuple):
        return tuple(to_device(item, device) for item in batch)
    return batch
