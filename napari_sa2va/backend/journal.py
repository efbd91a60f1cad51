"""What a session was asked, so that it can be done again where the server lost it."""

from __future__ import annotations

from dataclasses import dataclass, field

from napari_sa2va.backend.protocol import Remove, Reset, Work


@dataclass(eq=False)
class Entry:
    """A request.

    Attributes
    ----------
    message : Work or Remove
        As it was sent.
    events : int
        How many events of it arrived.
    limit : int or None
        After how many it was stopped; None where it ran to its end.
    is_open : bool
        It has not ended yet.
    """

    message: Work | Remove | Reset
    events: int = 0
    limit: int | None = None
    is_open: bool = True


@dataclass
class Journal:
    """The requests that made a session what it is, in order.

    Engines are deterministic: the same requests, each stopped where it was stopped, make the same
    session, with the same objects and the same masks.
    """

    entries: list[Entry] = field(default_factory=list)

    def add(self, message: Work | Remove | Reset) -> Entry:
        """A request is on its way."""
        entry = Entry(message)
        if isinstance(message, Reset):
            # What was before leaves no trace, apart from what is still running.
            self.entries = [e for e in self.entries if e.is_open]
        else:
            self.entries.append(entry)
        return entry

    def close(self, entry: Entry, limit: int | None = None) -> None:
        """A request ended; where nothing of it happened it is forgotten."""
        entry.is_open = False
        entry.limit = limit
        if limit == 0 and entry in self.entries:
            self.entries.remove(entry)
