"""TLS from end to end, on loopback, by an authority of the test's own."""

from __future__ import annotations

import selectors
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trustme

import napari_sa2va
from napari_sa2va.backend import connectors
from napari_sa2va.backend.client import RemoteBackend
from napari_sa2va.backend.connectors import ServerConnector
from napari_sa2va.backend.local import LocalBackend
from napari_sa2va.backend.tls import trust
from napari_sa2va.core.errors import BackendError, InputError
from tests.backend.fake_engine import FakeEngine
from tests.backend.serving import TOKEN, Served, assert_same, make_stack, running_server

BOX = (5.0, 5.0, 30.0, 30.0)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def trusted(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a client is given to trust."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture(scope="module")
def server(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("server")
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(folder / "cert.pem"))
    issued.private_key_pem.write_to_path(str(folder / "key.pem"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(napari_sa2va, "load", lambda *_, **__: FakeEngine())
        files = {"certificate": folder / "cert.pem", "key": folder / "key.pem"}
        with running_server(Path("fake"), **files) as served:
            yield served


def backend(address: str, certificate: Path | None, token: str = TOKEN) -> RemoteBackend:
    return RemoteBackend(ServerConnector(address, token, certificate), "fake")


def test_a_session_through_tls_is_one_in_this_process(
    server: Served, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(napari_sa2va, "load", lambda *_, **__: FakeEngine())
    stack = make_stack()
    # So large that frames come in parts.
    stack = np.tile(stack, (1, 8, 8)) + np.random.default_rng(0).integers(
        0, 30, (len(stack), 720, 880), np.uint8
    )
    with closing(backend(f"wss://localhost:{server.port}", trusted)) as remote:
        ours, theirs = remote.open(stack), LocalBackend("fake").open(stack)
        for session_of in (
            lambda s: s.segment(1, 0, box=BOX),
            lambda s: s.propagate(),
            lambda s: s.ask("the cell"),
        ):
            assert_same(list(session_of(ours)), list(session_of(theirs)))
        assert remote.info.place == f"wss://localhost:{server.port}"


@pytest.mark.parametrize("scheme", ["wss", "https"])
def test_the_token_travels_through_tls(server: Served, trusted: Path, scheme: str) -> None:
    address = f"{scheme}://localhost:{server.port}"
    for token in ("", TOKEN + "x"):
        with pytest.raises(BackendError, match="does not accept the token") as error:
            backend(address, trusted, token).check()
        assert TOKEN not in str(error.value)
    with closing(backend(address, trusted)) as remote:
        assert remote.check().state != "lost"


def test_a_server_that_keeps_silent_is_given_up(
    authority: trustme.CA, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its session tickets wake the reader, who then waits for data that never come."""
    monkeypatch.setattr(connectors, "HELLO_SECONDS", 1.0)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    left, held = threading.Event(), []

    def keep_silent(listening: socket.socket) -> None:
        with context.wrap_socket(listening.accept()[0], server_side=True):
            held.append(not left.wait(30))

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=keep_silent, args=(listening,))
        thread.start()
        with pytest.raises(BackendError, match="does not answer"):
            backend(f"wss://localhost:{listening.getsockname()[1]}", trusted).check()
        left.set()
        thread.join()
    assert held == [False]


def test_closing_wakes_who_is_about_to_wait(
    authority: trustme.CA, trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A selector forgets a closed socket without a word."""
    registered = threading.Event()

    class Slow(selectors.DefaultSelector):
        def select(self, timeout: float | None = None) -> Any:
            registered.set()
            time.sleep(0.2)
            return super().select(timeout)

    monkeypatch.setattr(selectors, "DefaultSelector", Slow)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)

    def keep_silent(listening: socket.socket) -> None:
        with context.wrap_socket(listening.accept()[0], server_side=True) as accepted:
            accepted.recv(1)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        server = threading.Thread(target=keep_silent, args=(listening,))
        server.start()
        plain = socket.create_connection(listening.getsockname())
        connection = trust(trusted).wrap_socket(plain, server_hostname="localhost")
        connection.settimeout(None)  # as websockets does
        reader = threading.Thread(target=connection.recv, args=(1,), daemon=True)
        reader.start()
        assert registered.wait(10)
        connection.close()
        reader.join(10)
        server.join()
    assert not reader.is_alive()


def test_who_is_not_trusted_gets_no_token(server: Served, tmp_path: Path, trusted: Path) -> None:
    other = tmp_path / "other.pem"
    trustme.CA().cert_pem.write_to_path(str(other))
    for certificate in (None, other):
        with pytest.raises(BackendError, match="is not trusted"):
            backend(f"wss://localhost:{server.port}", certificate).check()
    # The certificate is for localhost, and 127.0.0.1 is another name.
    with pytest.raises(BackendError, match="is not trusted"):
        backend(f"wss://127.0.0.1:{server.port}", trusted).check()
    with pytest.raises(BackendError, match="does not speak this protocol"):
        backend(f"ws://localhost:{server.port}", None).check()


def test_a_certificate_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("nothing")
    for name in ("none.pem", "missing.pem"):
        with pytest.raises(InputError, match="cannot be read"):
            ServerConnector("wss://localhost:1", TOKEN, tmp_path / name)
