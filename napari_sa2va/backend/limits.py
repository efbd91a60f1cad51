"""All limits of a server and its protocol, in one place."""

from __future__ import annotations

from dataclasses import dataclass

KIB, MIB, GIB = 2**10, 2**20, 2**30

# Of the protocol: both sides hold them.
MAX_MESSAGE_BYTES = 16 * MIB
MAX_TEXT = 100_000  # characters
MAX_POINTS = 10_000
MAX_REGIONS = 64
MAX_FRAMES = 1_000_000
MAX_FRAME_BYTES = 768 * MIB  # raw RGB: 16384 x 16384 pixels
# A frame travels in parts, so that heartbeats get through between them.
PART_BYTES = MIB
# How long a peer has to answer to a new connection, and how often it is to be heard after that.
HELLO_SECONDS = 20.0
BEAT_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """What a server grants.

    Attributes
    ----------
    max_sessions : int
        Sessions at once, those that wait for their client's return included.
    max_connections : int
        WebSockets at once.
    max_models : int
        Loaded models at once.
    silence_seconds : float
        A connection from which nothing is heard for this long is dead.
    keep_seconds : float
        How long a session waits for its client's return.
    idle_seconds : float
        A session that is asked nothing for this long ends.
    session_seconds : float
        No session lives longer.
    frame_seconds : float
        How long a frame that was asked for may take.
    send_seconds : float
        How long a client may take to read one message.
    frame_bytes : int
        Frames kept in memory, of all sessions.
    embedding_bytes : int
        Image embeddings kept in memory, of all sessions.
    session_embedding_bytes : int or None
        Of one session. None: what the engine finds right.
    unread_events, unread_bytes : int
        How far a session works ahead of what its client has read.
    queued_requests : int
        Requests of one session that wait for the running one.
    ahead : int
        Frames that are asked for before they are needed.
    """

    max_sessions: int = 8
    max_connections: int = 64
    max_models: int = 1
    silence_seconds: float = 30.0
    keep_seconds: float = 300.0
    idle_seconds: float = 3600.0
    session_seconds: float = 24 * 3600.0
    frame_seconds: float = 60.0
    send_seconds: float = 30.0
    frame_bytes: int = GIB
    embedding_bytes: int = 2 * GIB
    session_embedding_bytes: int | None = None
    unread_events: int = 64
    unread_bytes: int = 8 * MIB
    queued_requests: int = 16
    ahead: int = 2
