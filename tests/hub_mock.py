"""A Hugging Face Hub on loopback, as huggingface_hub calls it, that can be told to misbehave.

It serves ``/api/models/ID[/revision/REVISION]`` and ``/ID/resolve/COMMIT/FILE``. Large files are
redirected to a second origin, as the Hub's are to its storage, and honour ``Range``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import random
import re
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

REPOSITORY = "someone/Sa2VA-tiny"
SHARD = "model-00002-of-00002.safetensors"
SIZE = 400_000

_LONGEST_HOLD = 60  # seconds, so that a test that forgets to go on ends

LARGE = 100_000  # bytes from which on a file is stored apart and has a SHA-256


def repository_files() -> dict[str, bytes]:
    """A repository in two shards, with what a real one has beside them."""
    return {
        "config.json": b'{"model_type": "sa2va_chat"}',
        "tokenizer.json": b'{"version": "1.0"}',
        "model-00001-of-00002.safetensors": _safetensors(150_000, seed=1),
        SHARD: _safetensors(SIZE, seed=2),
        "modeling_sa2va_chat.py": b"raise SystemExit('remote code ran')",
        "README.md": b"# tiny",
        "old/pytorch_model.bin": b"a pickle",
    }


def _safetensors(size: int, seed: int) -> bytes:
    """A file of this size with one tensor of random bytes."""
    entry = {"dtype": "U8", "shape": [size - 200], "data_offsets": [0, size - 200]}
    header = json.dumps({f"grounding_encoder.{seed}": entry}).encode().ljust(192)
    length = len(header).to_bytes(8, "little")
    return length + header + random.Random(seed).randbytes(size - 200)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that cancels is no error."""
        if not isinstance(sys.exception(), ConnectionError):
            # Handed on as it came; only the base class knows a socket's many types.
            super().handle_error(request, client_address)  # type: ignore[arg-type]


@dataclass
class Fault:
    """What goes wrong with requests whose path contains `path`, so many times."""

    path: str
    times: int = 1
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    cut_after: int | None = None


@dataclass
class Request:
    """What was asked, and how many bytes of the body were sent."""

    path: str
    headers: dict[str, str]
    sent: int = 0
    status: int = 0


class HubMock:
    """The server; `files` of each repository may be changed at any time.

    Attributes
    ----------
    repositories : dict of str to dict of str to bytes
        Contents by repository and file name.
    announced : dict
        Sizes that the API tells instead of the true ones, by file name.
    swapped : dict
        Contents that the storage sends instead of the true ones, by file name.
    faults : list of Fault
        The first one that fits is used, and used up.
    holds : str
        Requests whose path contains it wait in the middle of their body (a short one: before it)
        until `go_on` is set; empty: none does.
    requests : list of Request
        All that was asked, in order.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.commit = "c0ffee" + "0" * 34
        self.card: dict[str, Any] = {"license": "apache-2.0", "language": ["multilingual"]}
        self.announced: dict[str, int] = {}
        self.swapped: dict[str, bytes] = {}
        self.ignores_ranges = False
        self.holds = ""
        self.go_on = threading.Event()
        self.faults: list[Fault] = []
        self.requests: list[Request] = []
        self._servers = [_Server(("127.0.0.1", 0), self._handler()) for _ in "ab"]
        self._threads = [
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
            for server in self._servers
        ]
        self.url, self.storage = (f"http://127.0.0.1:{s.server_port}" for s in self._servers)

    @contextlib.contextmanager
    def running(self) -> Iterator[HubMock]:
        for thread in self._threads:
            thread.start()
        try:
            yield self
        finally:
            self.go_on.set()
            for server in self._servers:
                server.shutdown()
                server.server_close()
            for thread in self._threads:
                thread.join()

    def sent(self, name: str) -> list[int]:
        """Bytes of the body that each request for a file's contents was sent."""
        return [
            r.sent for r in self.requests if r.path.endswith(f"/{name}") and r.status in (200, 206)
        ]

    def asked(self) -> Counter[str]:
        """How often the contents of each file were asked for."""
        return Counter(r.path.rsplit("/", 1)[1] for r in self.requests if "/resolve/" in r.path)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        hub = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                split = urlsplit(self.path)
                self.request_ = Request(unquote(split.path), dict(self.headers))
                hub.requests.append(self.request_)
                self.fault = hub._fault(self.request_.path)
                with contextlib.suppress(ConnectionError):
                    if self.fault is not None and self.fault.status:
                        self._answer(self.fault.status, b"", self.fault.headers)
                    else:
                        hub._serve(self, split.query)

            def _answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
                self.request_.status = status
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                cut = self.fault.cut_after if self.fault is not None else None
                held = hub.holds and hub.holds in self.request_.path
                for start in range(0, len(body), 8192):
                    if held and (2 * start >= len(body) or len(body) < 8192):
                        hub.go_on.wait(_LONGEST_HOLD)
                    piece = body[start : start + 8192]
                    piece = piece if cut is None else piece[: max(0, cut - self.request_.sent)]
                    self.wfile.write(piece)
                    self.request_.sent += len(piece)
                if cut is not None:
                    self.close_connection = True

            def log_message(self, *_: object) -> None:
                """Keep quiet."""

        return Handler

    def _fault(self, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.path in path and fault.times:
                # A cut is of the contents, not of the redirection to them.
                if fault.cut_after is not None and "/resolve/" in path and self._is_large(path):
                    continue
                fault.times -= 1
                return fault
        return None

    def _is_large(self, path: str) -> bool:
        name = path.rsplit("/", 1)[1]
        return any(len(f.get(name, b"")) >= LARGE for f in self.repositories.values())

    def _serve(self, handler: Any, query: str) -> None:
        path = handler.request_.path
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)(?:/revision/(.+))?", path)
        if api is not None:
            if api[1] not in self.repositories:
                handler._answer(404, b"", {"X-Error-Code": "RepoNotFound"})
            elif api[2] not in (None, "main", self.commit):
                handler._answer(404, b"", {"X-Error-Code": "RevisionNotFound"})
            else:
                assert query == "blobs=true"
                body = json.dumps(self._info(api[1])).encode()
                handler._answer(200, body, {"Content-Type": "application/json"})
            return
        resolved = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if resolved is not None and resolved[2] == self.commit:
            contents = self.repositories[resolved[1]][resolved[3]]
            if len(contents) >= LARGE:
                handler._answer(
                    302, b"", {"Location": f"{self.storage}/store/{resolved[1]}/{resolved[3]}"}
                )
            else:
                self._send(handler, resolved[3], contents)
            return
        stored = re.fullmatch(r"/store/([^/]+/[^/]+)/(.+)", path)
        if stored is not None:
            self._send(handler, stored[2], self.repositories[stored[1]][stored[2]])
            return
        handler._answer(404, b"", {})

    def _send(self, handler: Any, name: str, contents: bytes) -> None:
        contents = self.swapped.get(name, contents)
        begin = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range", ""))
        if begin is None or self.ignores_ranges:
            handler._answer(200, contents, {})
        elif int(begin[1]) >= len(contents):
            handler._answer(416, b"", {"Content-Range": f"bytes */{len(contents)}"})
        else:
            start, total = int(begin[1]), len(contents)
            part = {"Content-Range": f"bytes {start}-{total - 1}/{total}"}
            handler._answer(206, contents[start:], part)

    def _info(self, repository: str) -> dict[str, Any]:
        files = self.repositories[repository]
        return {
            "id": repository,
            "sha": self.commit,
            "cardData": self.card,
            "safetensors": {"parameters": {"F32": 1234}, "total": 1234},
            "siblings": [self._sibling(name, contents) for name, contents in files.items()],
        }

    def _sibling(self, name: str, contents: bytes) -> dict[str, Any]:
        size = self.announced.get(name, len(contents))
        blob = hashlib.sha1(b"blob %d\0" % len(contents) + contents).hexdigest()
        sibling: dict[str, Any] = {"rfilename": name, "size": size, "blobId": blob}
        if len(contents) >= LARGE:
            sha256 = hashlib.sha256(contents).hexdigest()
            sibling["lfs"] = {"size": size, "sha256": sha256, "pointerSize": 135}
        return sibling
