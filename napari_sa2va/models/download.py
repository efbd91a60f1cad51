"""Downloads a pinned revision into the Hugging Face cache: watched, cancelled, resumed, checked.

The session, headers, addresses and errors are huggingface_hub's, and so is the cache's layout. The
bytes are read here: since its version 2 that library starts a file anew when a download was cut by
more than a hiccup, and a shard has five gigabytes.
"""

from __future__ import annotations

import re
import shutil
import time
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_session, hf_hub_url
from huggingface_hub.utils import WeakFileLock, build_hf_headers, hf_raise_for_status

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.hub import HTTP_ERROR, HUB_ERRORS, ask_hub, pause, refusal
from napari_sa2va.models.installed import (
    arrived_bytes,
    blob_path,
    digest_of,
    is_whole,
    link_blob,
    missing_files,
    partial_path,
    repository_folder,
    size_of,
    snapshot_folder,
)
from napari_sa2va.models.pins import HubFile, Pin, pin, read_record

_EVERY = 0.1  # seconds between two reports, so that no panel drowns in them
_WINDOW = 5.0  # seconds over which the speed is measured
_LOCK_WAIT = 1.0  # seconds
_ON_DISK = "Make room, or set HF_HUB_CACHE to a folder that can be written."


@dataclass(frozen=True)
class Transfer:
    """How far a download is.

    Attributes
    ----------
    done, total : int
        Bytes, those of earlier attempts included.
    speed : float
        Bytes a second over the last seconds; 0 where nothing arrives.
    what : str
        The file that arrives, or what is waited for.
    """

    done: int
    total: int
    speed: float
    what: str


def download(repository: str, revision: str | None = None) -> Generator[Transfer, None, Path]:
    """Download what is missing of a revision, and pin it.

    Parameters
    ----------
    repository : str
        ``owner/name``.
    revision : str, optional
        A commit, branch or tag, which is pinned from now on. Default: the pinned revision; where
        there is none, the newest one.

    Yields
    ------
    Transfer
        Ten times a second while bytes arrive or the Hub's wait runs. Closing the generator
        cancels; the next download goes on at the byte where this one stopped. A connection that
        stalls is noticed after ``HF_HUB_DOWNLOAD_TIMEOUT`` seconds.

    Returns
    -------
    Path
        The folder of the revision, complete and with the checksums that the Hub announced.

    Raises
    ------
    CheckpointError
        The Hub refuses, the connection fails for good, the disk is too small, what arrives is not
        what was announced, or another process downloads the same.
    """
    pinned = read_record().pins.get(repository)
    try:
        if pinned is None or revision is not None:
            pinned = yield from _ask(repository, revision)
            pin(repository, pinned)
            if revision is None:
                _write_ref(repository, pinned)
        if missing_files(repository, pinned):
            yield from _bring(repository, pinned)
    except OSError as error:  # the network's errors were explained before
        raise refusal(
            repository, f"{error.filename or 'the cache'}: {error.strerror or error}", _ON_DISK
        ) from error
    return snapshot_folder(repository, pinned)


def _bring(repository: str, pinned: Pin) -> Iterator[Transfer]:
    _check_disk(repository, pinned)
    with _alone(repository):
        meter = _Meter(arrived_bytes(repository, pinned), pinned.size)
        for file in missing_files(repository, pinned):
            yield from _download_file(repository, pinned, file, meter)


class _Meter:
    """Counts bytes, and when they came."""

    def __init__(self, done: int, total: int) -> None:
        self._done, self._total = done, total
        self._reported = 0.0
        self._marks: deque[tuple[float, int]] = deque([(time.monotonic(), done)])

    def add(self, count: int) -> None:
        """Count bytes that came, or with a negative number those that were thrown away."""
        self._done += count

    def report(self, what: str) -> Iterator[Transfer]:
        """A report, unless there was one just now."""
        now = time.monotonic()
        if now - self._reported < _EVERY:
            return
        self._reported = now
        self._marks.append((now, self._done))
        while len(self._marks) > 2 and now - self._marks[0][0] > _WINDOW:
            self._marks.popleft()
        since, before = self._marks[0]
        speed = max(0, self._done - before) / max(now - since, 1e-3)
        yield Transfer(self._done, self._total, speed, what)


def _ask(repository: str, revision: str | None) -> Generator[Transfer, None, Pin]:
    asking = ask_hub(repository, revision)
    while True:
        try:
            yield Transfer(0, 0, 0.0, next(asking))
        except StopIteration as answer:
            return answer.value


def _download_file(
    repository: str, pinned: Pin, file: HubFile, meter: _Meter
) -> Iterator[Transfer]:
    blob, partial = blob_path(repository, file), partial_path(repository, file)
    blob.parent.mkdir(parents=True, exist_ok=True)
    if is_whole(blob, file.size):  # another revision or program brought it
        meter.add(file.size - size_of(partial))
    else:
        yield from _complete(repository, pinned, file, partial, meter)
        yield from meter.report(f"checking {file.name}")
        if digest_of(partial, file.digest) != file.digest:
            partial.unlink()
            raise refusal(
                repository,
                f"{file.name} arrived with another checksum than announced, and was deleted",
                "Download it again; if that does not help, the mirror in HF_ENDPOINT is broken.",
            )
        partial.replace(blob)
    link_blob(repository, pinned, file)


def _complete(
    repository: str, pinned: Pin, file: HubFile, partial: Path, meter: _Meter
) -> Iterator[Transfer]:
    """Fetch the end of a file, again and again while some bytes still arrive."""
    partial.touch()
    if size_of(partial) > file.size:
        meter.add(-size_of(partial))
        partial.unlink()
        partial.touch()
    tries = 0
    while (before := size_of(partial)) < file.size:
        try:
            yield from _fetch(repository, pinned, file, partial, meter)
            if size_of(partial) < file.size:
                raise HTTP_ERROR(f"{file.name} ended early")
        except HUB_ERRORS as error:
            tries = 1 if size_of(partial) > before else tries + 1
            for why in pause(error, tries, repository):
                yield from meter.report(why)


def _fetch(
    repository: str, pinned: Pin, file: HubFile, partial: Path, meter: _Meter
) -> Iterator[Transfer]:
    """One request for the bytes that are not there yet."""
    url = hf_hub_url(repository, file.name, revision=pinned.revision, endpoint=constants.ENDPOINT)
    begin = size_of(partial)
    # Compressed, a length or a range would mean something else.
    headers = build_hf_headers() | {"Accept-Encoding": "identity"}
    if begin:
        headers["Range"] = f"bytes={begin}-"
    with get_session().stream(
        "GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT
    ) as response:
        if response.status_code == 416:  # there is nothing from there on
            partial.unlink()
            raise _lie(repository, file, f"no more than {begin}")
        hf_raise_for_status(response)
        start = _start(repository, file, response, begin)
        meter.add(start - begin)
        with partial.open("r+b") as target:
            target.seek(start)
            target.truncate()
            for chunk in response.iter_bytes():
                start += len(chunk)
                if start > file.size:
                    raise _lie(repository, file, f"more than {file.size}")
                target.write(chunk)
                meter.add(len(chunk))
                yield from meter.report(file.name)


def _start(repository: str, file: HubFile, response: Any, asked: int) -> int:
    """The first byte that an answer brings; CheckpointError where its size is not as announced."""
    headers = response.headers
    part = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", headers.get("Content-Range", ""))
    if response.status_code == 206 and part is not None:
        if int(part[1]) != asked:
            raise _lie(repository, file, f"those from {part[1]} on instead of {asked}")
        total = part[2]
    else:  # the whole file, be it that a part was asked for
        asked, total = 0, headers.get("Content-Length", "*")
    if total.isdecimal() and int(total) != file.size and "Content-Encoding" not in headers:
        raise _lie(repository, file, total)
    return asked


def _lie(repository: str, file: HubFile, sent: str) -> CheckpointError:
    return refusal(
        repository,
        f"{file.size} bytes of {file.name} were announced, but the server sends {sent}",
        "Try again later; if that does not help, the mirror in HF_ENDPOINT is broken.",
    )


def _check_disk(repository: str, pinned: Pin) -> None:
    folder = repository_folder(repository)
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    needed = pinned.size - arrived_bytes(repository, pinned)
    if needed > free:
        raise refusal(
            repository,
            f"{folder} has {free / 1e9:.1f} GB free and {needed / 1e9:.1f} GB are still to come",
            _ON_DISK,
        )


@contextmanager
def _alone(repository: str) -> Iterator[None]:
    folder = repository_folder(repository)
    lock = folder.parent / ".locks" / folder.name / "napari-sa2va.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        try:
            held.enter_context(WeakFileLock(lock, timeout=_LOCK_WAIT))
        except TimeoutError as error:
            raise refusal(
                repository, "another process is downloading it", "Wait until that one is done."
            ) from error
        yield


def _write_ref(repository: str, pinned: Pin) -> None:
    """Say which commit ``main`` was: other programs find it, and the cache's pruning spares it."""
    ref = repository_folder(repository) / "refs" / constants.DEFAULT_REVISION
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text(pinned.revision, "utf-8")
