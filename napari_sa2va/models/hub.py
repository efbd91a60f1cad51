"""Asks the Hugging Face Hub what a repository holds, patiently, and explains its refusals."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Generator, Iterable
from fnmatch import fnmatch
from typing import TypeVar, cast

from huggingface_hub import HfApi, constants
from huggingface_hub.errors import (
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    OfflineModeIsEnabled,
    RevisionNotFoundError,
)
from huggingface_hub.hf_api import ModelInfo, RepoSibling
from huggingface_hub.utils import parse_ratelimit_headers

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models.pins import HubFile, Pin

# Weights, settings and what a tokenizer reads: nothing that could be run, and no pickles.
FETCHED = (
    "*.safetensors",
    "*.json",
    "chat_template.jinja",
    "merges.txt",
    "tokenizer.model",
    "vocab.txt",
)
_TOKENIZERS = ("tokenizer.json", "tokenizer.model")
_PICKLED = ("*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl")

_TRIES = 4  # without a new byte in between
_FIRST_WAIT = 1.0  # seconds where the Hub names none; each further wait is twice as long
_LONGEST_WAIT = 120  # seconds that the Hub may ask for; beyond, the user decides
_TICK = 0.1  # seconds between two chances to cancel
_AGAIN = (429, 500, 502, 503, 504)
_TIMEOUT = 20  # seconds for an answer that is not a file

# The base of all errors of huggingface_hub's HTTP client: httpx in some versions, httpx2 in others.
HTTP_ERROR = cast(type[Exception], HfHubHTTPError.__bases__[0])
HUB_ERRORS = (HTTP_ERROR, HFValidationError, OfflineModeIsEnabled)

T = TypeVar("T")


def ask_hub(repository: str, revision: str | None = None) -> Generator[str, None, Pin]:
    """Ask what a revision of a repository holds.

    Parameters
    ----------
    repository : str
        ``owner/name``.
    revision : str, optional
        A commit, branch or tag; default the newest commit of ``main``.

    Yields
    ------
    str
        Why it waits, several times a second; closing the generator cancels.

    Returns
    -------
    Pin
        The commit, and the files that would be downloaded.

    Raises
    ------
    CheckpointError
        The Hub refuses or cannot be reached, or the repository holds no safetensors checkpoint.
    """
    api = HfApi(endpoint=constants.ENDPOINT)

    def ask() -> ModelInfo:
        try:
            return api.model_info(
                repository, revision=revision, timeout=_TIMEOUT, files_metadata=True
            )
        except HUB_ERRORS:
            raise
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise refusal(
                repository,
                f"{constants.ENDPOINT} does not answer as the Hub does",
                "Check HF_ENDPOINT, and whether this network asks you to log in first.",
            ) from error

    info = yield from _patiently(ask, repository)
    if info.sha is None or not re.fullmatch("[0-9a-f]{40}", info.sha):
        raise refusal(repository, "the Hub names no commit", "Is HF_ENDPOINT a mirror of the Hub?")
    card = info.card_data.to_dict() if info.card_data is not None else {}
    languages = card.get("language") or []
    licence = card.get("license")
    return Pin(
        revision=info.sha,
        files=choose_files(repository, info.siblings or []),
        licence=None if licence is None else str(licence),
        languages=(languages,) if isinstance(languages, str) else tuple(map(str, languages)),
        parameters=info.safetensors.total if info.safetensors is not None else None,
    )


def choose_files(repository: str, siblings: Iterable[RepoSibling]) -> tuple[HubFile, ...]:
    """The files to download, by name; CheckpointError where they make no checkpoint."""
    siblings = list(siblings)
    # In the top folder only, and by plain names: none can lead out of it.
    plain = [s for s in siblings if re.fullmatch(r"\w[\w.+-]*", s.rfilename)]
    chosen = [s for s in plain if any(fnmatch(s.rfilename, pattern) for pattern in FETCHED)]
    names = {s.rfilename for s in chosen}
    if not any(name.endswith(".safetensors") for name in names):
        pickled = [
            s.rfilename for s in siblings if any(fnmatch(s.rfilename, kind) for kind in _PICKLED)
        ]
        held = f" but pickles ({', '.join(pickled)}), which could run code" if pickled else ""
        raise refusal(
            repository,
            f"it holds no safetensors weights{held}",
            "Choose a repository with *.safetensors in its top folder.",
        )
    if "config.json" not in names:
        raise refusal(repository, "it holds no config.json", "Is it a Sa2VA checkpoint?")
    # A SAM 2 has none, and no configuration of one.
    if "tokenizer_config.json" in names and not names.intersection(_TOKENIZERS):
        raise refusal(
            repository,
            f"its tokenizer is in none of the files that are read: {', '.join(_TOKENIZERS)}",
            "Save its tokenizer as one of them, and open the folder.",
        )
    return tuple(_hub_file(repository, sibling) for sibling in chosen)


def pause(error: Exception, tries: int, repository: str) -> Generator[str, None, None]:
    """Wait before the next try, or raise what the user should know if there should be none.

    Parameters
    ----------
    error : Exception
        Any of `HUB_ERRORS`.
    tries : int
        How often it was tried in vain, from 1.
    repository : str
        What was asked for.
    """
    named = _named_wait(error)
    if not _may_pass(error) or tries >= _TRIES or (named or 0) > _LONGEST_WAIT:
        raise explain(error, repository) from error
    seconds = _FIRST_WAIT * 2 ** (tries - 1) if named is None else float(named)
    until = time.monotonic() + seconds
    why = f"waiting {seconds:g} s: {_reason(error)}"
    while time.monotonic() < until:
        yield why
        time.sleep(min(_TICK, max(0, until - time.monotonic())))


def explain(error: Exception, repository: str) -> CheckpointError:
    """An error of the Hub as one sentence, with the way out."""
    return refusal(repository, _reason(error), _way_out(error, repository))


def refusal(repository: str, reason: str, hint: str) -> CheckpointError:
    """The error of a download that cannot be."""
    return CheckpointError(f"{repository} could not be downloaded: {reason}.", hint)


def _patiently(ask: Callable[[], T], repository: str) -> Generator[str, None, T]:
    tries = 0
    while True:
        try:
            return ask()
        except HUB_ERRORS as error:
            tries += 1
            yield from pause(error, tries, repository)


def _hub_file(repository: str, sibling: RepoSibling) -> HubFile:
    large = sibling.lfs
    size, digest = (large.size, large.sha256) if large else (sibling.size, sibling.blob_id)
    # The digest becomes a file's name: it is taken for nothing else.
    if not isinstance(size, int) or not re.fullmatch("[0-9a-f]{40}|[0-9a-f]{64}", digest or ""):
        raise refusal(
            repository,
            f"the Hub announces no size or no checksum of {sibling.rfilename}",
            "Set HF_ENDPOINT to a complete mirror, or unset it.",
        )
    return HubFile(sibling.rfilename, size, str(digest))


def _status(error: Exception) -> int | None:
    return error.response.status_code if isinstance(error, HfHubHTTPError) else None


def _may_pass(error: Exception) -> bool:
    """Whether the same question may be answered later."""
    if isinstance(error, HfHubHTTPError):
        return _status(error) in _AGAIN
    return isinstance(error, HTTP_ERROR)  # a connection that failed or was cut


def _named_wait(error: Exception) -> int | None:
    """Seconds that the Hub asks to wait."""
    if not isinstance(error, HfHubHTTPError):
        return None
    headers = error.response.headers
    after = headers.get("Retry-After", "").strip()
    if after.isdecimal():
        return int(after)
    limit = parse_ratelimit_headers(headers) if _status(error) == 429 else None
    return None if limit is None or limit.remaining else limit.reset_in_seconds


def _reason(error: Exception) -> str:
    status = _status(error)
    named = _named_wait(error)
    wait = "" if named is None else f", and asks to wait {named} s"
    if isinstance(error, OfflineModeIsEnabled):
        return "HF_HUB_OFFLINE is set, and it is not complete on this machine"
    if isinstance(error, HFValidationError):
        return "this is no id of the Hub"
    if isinstance(error, RevisionNotFoundError):
        return "it has no such revision (404)"
    if isinstance(error, GatedRepoError) or status == 403:
        return f"this account may not read it ({status})"
    if status == 401:
        return "the Hub asks who you are (401): it is private, or there is no such repository"
    if status == 404:
        return "there is no such repository or file (404)"
    if status == 429:
        return f"the Hub counts too many requests (429){wait}"
    if status is not None:
        return f"the Hub fails ({status}){wait}"
    detail = str(error).partition("\n")[0]
    return f"the connection failed or was cut ({type(error).__name__}: {detail})"


def _way_out(error: Exception, repository: str) -> str:
    status = _status(error)
    if isinstance(error, OfflineModeIsEnabled):
        return "Unset HF_HUB_OFFLINE, or give a folder that holds the checkpoint."
    if isinstance(error, HFValidationError | RevisionNotFoundError) or status == 404:
        return "Check how it is spelt."
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"Accept its conditions on {constants.ENDPOINT}/{repository}, "
            "and log in with `hf auth login` or HF_TOKEN."
        )
    if status == 401:
        return "Check how it is spelt, or log in with `hf auth login` or HF_TOKEN."
    if status in _AGAIN:
        return "Try again later: what has arrived is kept."
    if status is not None:
        return "Check the id, and HF_ENDPOINT if it is set."
    return "Check the network, or set HF_ENDPOINT to a mirror: what has arrived is kept."
