"""A question on its way."""

from __future__ import annotations

from collections.abc import Iterator

from napari_sa2va.core.answers import Answer
from napari_sa2va.core.events import Event, Finished


class Request:
    """An iterator of events that ends with `Finished`.

    Work is done only while it is iterated; `close` stops it.
    """

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._answer: Answer | None = None

    def __iter__(self) -> Iterator[Event]:
        return self

    def __next__(self) -> Event:
        event = next(self._events)
        if isinstance(event, Finished):
            self._answer = event.answer
        return event

    def close(self) -> None:
        """Stop; what was done is kept."""
        close = getattr(self._events, "close", None)
        if close is not None:
            close()

    def result(self) -> Answer:
        """Run what is left, and give the answer."""
        for _ in self:
            pass
        if self._answer is None:
            raise RuntimeError("The request was closed before it finished.")
        return self._answer
