"""Why a server ends a connection."""

from __future__ import annotations

from typing import Literal

from napari_sa2va.backend.protocol import Refused
from napari_sa2va.core.errors import BackendError, Remedy

Code = Literal["version", "protocol", "capacity", "gone", "replaced", "ended", "input", "failed"]


class RefusedError(BackendError):
    """What a server does not do, and why; see `napari_sa2va.backend.protocol.Refused`."""

    def __init__(
        self,
        code: Code,
        message: str,
        hint: str = "",
        retry_after: float | None = None,
        remedy: Remedy = "",
    ) -> None:
        super().__init__(message, hint, remedy)
        self.code: Code = code
        self.retry_after = retry_after

    @classmethod
    def received(cls, refused: Refused) -> RefusedError:
        """As a client tells it."""
        return cls(refused.code, refused.message, refused.hint, refused.retry_after, refused.remedy)

    def message_to_client(self) -> Refused:
        """As a server sends it."""
        return Refused(self.code, self.message, self.hint, self.retry_after, self.remedy)
