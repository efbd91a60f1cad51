"""Say it, click it or box it, and get the object's mask in every time frame.

Importing this package imports neither torch nor Qt; `load` does.
"""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_sa2va.engine.engine import Engine

try:
    __version__ = version("napari-sa2va")
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__", "load"]


def load(
    model: str = "nano",
    device: str = "auto",
    dtype: str = "auto",
    *,
    prompt_model: str | None = None,
    grounding: str = "auto",
    quantize: str | None = None,
    offload: str | None = None,
    attention: str = "sdpa",
    compile: bool = False,  # noqa: A002 - torch's own word
) -> Engine:
    """Load a model.

    Parameters
    ----------
    model : str or path
        ``"nano"`` (bundled), a folder with a checkpoint in the official layout, or the id of one
        on the Hugging Face Hub.
    device : str
        ``"auto"`` takes CUDA, else MPS, else the CPU; or any device string of torch.
    dtype : str
        ``"auto"`` takes bfloat16 where it is fast and float32 on the CPU; or ``"float32"``,
        ``"bfloat16"``, ``"float16"``.
    prompt_model : str or path, optional
        A plain SAM 2.1 for points, boxes and masks, instead of the checkpoint's own SAM 2:
        ``"facebook/sam2.1-hiera-large"``, ``-base-plus``, ``-small``, ``-tiny``, or a folder with
        such a checkpoint.
    grounding : str
        How what was found by text is followed. ``"sa2va"``: the checkpoint's fine-tuned decoder
        follows it. ``"sa2va-i"``: that decoder finds it in frames spread over the stack, and SAM
        2's own weights follow it; those of the checkpoint, if it has them, else of `prompt_model`.
        ``"auto"`` takes ``"sa2va-i"`` where the checkpoint has both decoders.
    quantize : str, optional
        ``"int8"`` (LLM.int8()) or ``"int4"`` (NF4) keeps the weights of the LLM's linear layers in
        8 or 4 bits, by bitsandbytes (extra ``quantize``). Answers may differ. Vision tower,
        projectors and SAM 2 are untouched.
    offload : str, optional
        ``"tracking"`` moves the language side to host memory while objects are tracked, and back
        when something is asked.
    attention : str
        Of the LLM: ``"sdpa"`` is PyTorch's own, ``"flash_attention_2"`` that of the package
        flash-attn, on CUDA in bfloat16 or float16. Answers may differ by rounding.
    compile : bool
        Compile SAM 2's image encoder and the LLM's step from token to token with
        ``torch.compile``, each when it is first used, which takes a minute or more. Results may
        differ by rounding.

    Returns
    -------
    Engine
        A context manager; `Engine.open` starts a session on a stack.

    Raises
    ------
    napari_sa2va.core.errors.CheckpointError
        The checkpoint is missing, damaged, pickled, or does not fit its configuration.
    napari_sa2va.core.errors.InputError
        The device, the dtype or an option is not available here, two options do not go together, or
        the grounding is not possible.
    """
    from napari_sa2va.core.options import LoadOptions

    options = LoadOptions(
        device, dtype, prompt_model, grounding, quantize, offload, attention, compile
    )
    from napari_sa2va.engine.engine import Engine

    return Engine.load(model, options)
