"""Where a model's folder is: bundled, local, or on the Hugging Face Hub."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from napari_sa2va.core.errors import CheckpointError

BUNDLED = "nano"

# Weights and settings only: nothing that could be run, and no pickles.
_FILES = ("*.json", "*.safetensors", "merges.txt")


def find_model(name: str) -> Path:
    """The folder of a checkpoint.

    Parameters
    ----------
    name : str
        ``"nano"``, a folder, or an id on the Hub (``"ByteDance/Sa2VA-1B"``), whose weights and
        settings are downloaded once.

    Raises
    ------
    CheckpointError
        There is no such model, or it cannot be downloaded.
    """
    if name == BUNDLED:
        return Path(str(resources.files("napari_sa2va") / "models" / "nano"))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if name.count("/") != 1 or name.startswith((".", "/", "~")):
        raise CheckpointError(
            f"There is no model {name!r}.",
            'Use "nano", a folder with a checkpoint, or an id on the Hub such as "owner/name".',
        )
    return _download(name)


def _download(repository: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, allow_patterns=list(_FILES)))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise CheckpointError(
            f"{repository} could not be downloaded ({type(error).__name__}: {error}).",
            "Check the id and the network, or give a folder that holds the checkpoint.",
        ) from error
