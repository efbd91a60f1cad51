"""The language side in host memory while objects are tracked."""

from __future__ import annotations

import torch
from torch import nn


class Offload:
    """Moves a network between its device and host memory.

    Parameters
    ----------
    network : nn.Module
        What is moved; it is on the device.
    device : torch.device
        Where it computes.
    """

    def __init__(self, network: nn.Module, device: torch.device) -> None:
        self._network = network
        self._device = device
        self._away = False

    def bring(self) -> None:
        """To the device, if it is not there."""
        if self._away:
            self._network.to(self._device)
            self._away = False

    def send_away(self) -> None:
        """To host memory, if it is not there."""
        if not self._away:
            self._network.to(torch.device("cpu"))
            self._away = True
