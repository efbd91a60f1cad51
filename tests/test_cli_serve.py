from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path

import pytest
import trustme

from napari_sa2va import cli
from napari_sa2va.cli_serve import choose_token, is_loopback
from napari_sa2va.core.errors import InputError


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.1.2.3", False),
        ("gpu.example.org", False),
    ],
)
def test_what_is_loopback(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_a_token_is_needed_beyond_loopback() -> None:
    assert choose_token(None, loopback=True) == (None, False)
    first, generated = choose_token(None, loopback=False)
    assert generated
    assert len(first or "") > 40
    assert first != choose_token(None, loopback=False)[0]


@pytest.mark.parametrize("content", ["", "short", "with some spaces in it", "ключ" * 8])
def test_a_bad_token_file_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "token"
    file.write_text(content, "utf-8")
    with pytest.raises(InputError, match="token"):
        choose_token(file, loopback=True)
    with pytest.raises(InputError, match="cannot be read"):
        choose_token(tmp_path / "none", loopback=True)


def test_a_good_token_file_is_used(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("0123456789abcdef0123\n", "utf-8")
    assert choose_token(file, loopback=True) == ("0123456789abcdef0123", False)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--tls-cert", "x.pem"],
        ["--data-root", "/no/such/folder"],
        ["--host", "203.0.113.7"],
    ],
)
def test_what_cannot_be_served_is_said(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["serve", "--port", "0", *arguments]) == cli.ERROR
    said = capsys.readouterr().err
    assert said.startswith("napari-sa2va: ")
    assert "Traceback" not in said


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_it_serves_until_it_is_interrupted() -> None:
    # All addresses of this machine: not loopback, and so with a token and a warning.
    main = "import sys; from napari_sa2va.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "serve", "--host", "0.0.0.0", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines = [server.stderr.readline() for _ in range(3)]
        port = int(lines[0].rsplit(":", 1)[1])
        token = re.fullmatch(r"Token, shown this once: (\S+)\n", lines[1])
        assert token
        assert "unencrypted" in lines[2]
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/models", headers={"Authorization": f"Bearer {token[1]}"}
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=60) as answer:
            assert b"nano" in answer.read()
        server.send_signal(signal.SIGINT)
        rest = server.stderr.read()
        assert server.wait(60) in (0, 130, -signal.SIGINT)
        assert token[1] not in rest
        assert "Traceback" not in rest


@pytest.mark.skipif(os.name != "posix", reason="signals are POSIX's")
def test_with_tls_there_is_no_warning_and_the_token_is_in_no_log(tmp_path: Path) -> None:
    authority, token = trustme.CA(), "a-token-that-nobody-logs"
    issued = authority.issue_cert("localhost")
    issued.cert_chain_pems[0].write_to_path(str(tmp_path / "cert.pem"))
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    (tmp_path / "token").write_text(token + "\n")
    main = "import sys; from napari_sa2va.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", main, "serve", "--host", "0.0.0.0", "--port", "0"]
    command += ["--tls-cert", "cert.pem", "--tls-key", "key.pem", "--token-file", "token"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=tmp_path) as server:
        assert server.stderr is not None
        started = server.stderr.readline()
        assert started.startswith("Serving nano at wss://0.0.0.0:")
        port = int(started.rsplit(":", 1)[1])
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
        )
        for shown, status in ((token, 200), (token + "x", 401), ("", 401)):
            request = urllib.request.Request(
                f"https://localhost:{port}/models?token={token}",
                headers={"Authorization": f"Bearer {shown}"},
            )
            if status == 200:
                with direct.open(request, timeout=60) as answer:
                    assert b"nano" in answer.read()
                continue
            with pytest.raises(urllib.error.HTTPError) as refused:
                direct.open(request, timeout=60)
            with refused.value as answer:
                assert answer.code == status
        with socket.create_connection(("localhost", port)) as plain:  # no TLS at all
            plain.sendall(f"GET / HTTP/1.1\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
            plain.settimeout(60)
            assert b"200" not in plain.recv(100)
        server.send_signal(signal.SIGINT)
        rest = server.stderr.read()
        server.wait(60)
    assert "unencrypted" not in rest
    assert token not in started + rest
    assert "Traceback" not in rest
