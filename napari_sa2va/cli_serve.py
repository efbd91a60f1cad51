"""What `napari-sa2va serve` does."""

from __future__ import annotations

import ipaddress
import secrets
import sys
from argparse import Namespace
from pathlib import Path

from napari_sa2va.backend.guard import LOOPBACK_HOSTS
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.serve import Service, listen
from napari_sa2va.backend.sessions import Sessions
from napari_sa2va.cli_arguments import load_options
from napari_sa2va.core.errors import InputError

_MIN_TOKEN = 16


def serve(arguments: Namespace) -> int:
    """Serve models until Ctrl-C."""
    loopback = is_loopback(arguments.host)
    if (arguments.tls_cert is None) != (arguments.tls_key is None):
        raise InputError("TLS needs a certificate and its key.", "Give --tls-cert and --tls-key.")
    for path in (arguments.tls_cert, arguments.tls_key, *arguments.data_root):
        if path is not None and not path.exists():
            raise InputError(f"There is no {path}.", "Check the path.")
    token, generated = choose_token(arguments.token_file, loopback)
    limits = Limits(max_sessions=arguments.max_sessions, keep_seconds=arguments.keep)
    sessions = Sessions(
        arguments.model or ["nano"], load_options(arguments), arguments.data_root, limits
    )
    service = Service(
        sessions,
        token=token,
        hosts=LOOPBACK_HOSTS if loopback else None,
        certificate=arguments.tls_cert,
        key=arguments.tls_key,
    )
    try:
        listening = listen(arguments.host, arguments.port)
    except OSError as error:
        raise InputError(
            f"{arguments.host}:{arguments.port} cannot be used: {error.strerror}.",
            "Choose another --host or --port.",
        ) from error
    scheme = "ws" if arguments.tls_cert is None else "wss"
    port = listening.getsockname()[1]
    _say(f"Serving {', '.join(sessions.models.names or ())} at {scheme}://{arguments.host}:{port}")
    if generated:
        _say(f"Token, shown this once: {token}")
    if not loopback and arguments.tls_cert is None:
        _say(
            "Warning: images and token travel unencrypted. Give --tls-cert and --tls-key, or bind "
            "to loopback and connect through SSH."
        )
    with listening:
        service.run(listening)
    return 0


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def choose_token(file: Path | None, loopback: bool) -> tuple[str | None, bool]:
    """The token, and whether it was made now; none on loopback, unless a file is given.

    Raises
    ------
    InputError
        The file cannot be read, or holds no token that is worth the name.
    """
    if file is None:
        return (None, False) if loopback else (secrets.token_urlsafe(32), True)
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"The token file {file} cannot be read: {error}.", "Check it.") from error
    if len(token) < _MIN_TOKEN or not token.isascii() or any(map(str.isspace, token)):
        raise InputError(
            f"The token in {file} is too short or has spaces in it.",
            f"Give one line of at least {_MIN_TOKEN} letters and digits.",
        )
    return token, False


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
