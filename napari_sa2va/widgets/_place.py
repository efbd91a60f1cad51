"""Where the model runs, as the user chose it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from urllib.parse import urlsplit

from napari_sa2va.backend.base import Backend
from napari_sa2va.backend.connectors import LOOPBACK
from napari_sa2va.backend.places import CHILD_PROCESS, THIS_PROCESS, make_backend
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.options import DEFAULTS, LoadOptions
from napari_sa2va.widgets._settings import IN_NAPARI, ON_SERVER, OWN_PROCESS, Settings

_GIGABYTE = 10**9
# By server. Nowhere else: a token is no setting.
_tokens: dict[str, str] = {}


@dataclass(frozen=True)
class Place:
    """A place for a backend.

    Attributes
    ----------
    settings : Settings
        What is remembered of it.
    token : str
        For a server, where it is not in a file; known to this session of napari alone.
    """

    settings: Settings
    token: str = field(default="", repr=False)

    @property
    def name(self) -> str:
        """As `napari_sa2va.backend.base.BackendInfo.place`."""
        place = self.settings.place
        if place == ON_SERVER:
            return self.settings.server
        return THIS_PROCESS if place == IN_NAPARI else CHILD_PROCESS

    @property
    def is_here(self) -> bool:
        """Whether it is this computer, which needs the model's files."""
        return self.settings.place != ON_SERVER

    def make_backend(self, model: str, options: LoadOptions = DEFAULTS) -> Backend:
        """A backend at the place; nothing is started or loaded before it is used.

        A server loads models in its own way; `options` are for this computer, where the settings
        say on which device.

        Raises
        ------
        InputError
            The address, the certificate or the token's file cannot be used.
        """
        chosen = self.settings
        certificate = Path(chosen.certificate).expanduser() if chosen.certificate else None
        return make_backend(
            self.name,
            model,
            replace(options, device=chosen.device),
            token="" if self.is_here else self.token or _token_in(chosen.token_file),
            certificate=None if self.is_here else certificate,
            idle_seconds=60.0 * chosen.idle_minutes,
            embedding_bytes=int(chosen.embedding_gigabytes * _GIGABYTE),
        )


def place_text(name: str) -> str:
    """What to call a place in a line: `BackendInfo.place` in a person's words."""
    if name == CHILD_PROCESS:
        return "This computer"
    if name == THIS_PROCESS:
        return "Inside napari"
    return urlsplit(name if "://" in name else f"ws://{name}").hostname or name


def told_place(name: str) -> str:
    """`Place.name` as it may be written into a file that others read: without secrets."""
    return ON_SERVER if any(sign in name for sign in "@?#") else name


def place_named(name: str, known: Place) -> Place | None:
    """The place of a name, with the settings of a known one; None for a server not among them.

    The name may come from another person's file: images go to no server because a file says so.
    """
    kinds = {THIS_PROCESS: IN_NAPARI, CHILD_PROCESS: OWN_PROCESS, known.settings.server: ON_SERVER}
    if name not in kinds:
        return None
    settings = replace(known.settings, place=kinds[name])
    return Place(settings, known.token or known_token(settings.server))


def travels_open(server: str) -> bool:
    """Whether what is sent to a server could be read on its way."""
    url = urlsplit(server if "://" in server else f"ws://{server}")
    return url.scheme in ("ws", "http") and bool(url.hostname) and url.hostname not in LOOPBACK


def known_token(server: str) -> str:
    """The token that was entered for a server in this session of napari; or empty."""
    return _tokens.get(server, "")


def keep_token(server: str, token: str) -> None:
    """Know a server's token until napari is closed."""
    _tokens[server] = token


def _token_in(file: str) -> str:
    if not file:
        return ""
    try:
        return Path(file).expanduser().read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(
            f"The token file {file} cannot be read: {why}.", "Choose another one in Connect…"
        ) from error
