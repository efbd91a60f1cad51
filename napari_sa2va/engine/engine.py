"""A loaded model; opens sessions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import napari_sa2va
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.frames import as_frames
from napari_sa2va.core.options import LoadOptions
from napari_sa2va.engine.acceleration import check_attention, check_compiler
from napari_sa2va.engine.fitting import in_words
from napari_sa2va.engine.offload import Offload
from napari_sa2va.engine.runtime import (
    SA2VA,
    Runtime,
    check_offload,
    choose_device,
    choose_dtype,
    choose_grounding,
    device_memory,
)
from napari_sa2va.engine.session import Session
from napari_sa2va.models.catalog import find_model
from napari_sa2va.models.checkpoint import (
    carries_second_decoder,
    load_model,
    load_prompt_model,
)
from napari_sa2va.models.grounding import compile_image_encoder, drop_first_decoder
from napari_sa2va.models.known import BUNDLED
from napari_sa2va.models.thinking import begin_of_answers
from napari_sa2va.models.tokens import Tokens


class Engine:
    """One loaded model; a context manager.

    Parameters
    ----------
    runtime : Runtime
        The model, its tokenizer, device and dtype.
    name : str
        What the model is called.
    revision : str
        Which version of it that is; empty where nobody knows.
    """

    def __init__(self, runtime: Runtime, name: str, revision: str = "") -> None:
        self._runtime: Runtime | None = runtime
        self.name = name
        self.revision = revision
        self.device = str(runtime.device)
        self.dtype = str(runtime.dtype).removeprefix("torch.")

    @classmethod
    def load(cls, model: str, options: LoadOptions) -> Engine:
        """Load a model: see `napari_sa2va.load`."""
        device = choose_device(options.device)
        dtype = choose_dtype(options.dtype, device)
        if options.offload:
            check_offload(device)
        check_attention(options.attention, device, dtype)
        if options.compile:
            check_compiler(device)
        folder = find_model(str(model))
        tokens = Tokens(folder)
        two_decoders = carries_second_decoder(folder)
        beside = options.prompt_model
        way = choose_grounding(options.grounding, two_decoders, beside is not None, str(model))
        clicked = None
        with in_words(device):
            if beside is not None:  # before the large one: errors are told at once
                clicked = load_prompt_model(find_model(str(beside)), device)
            network = load_model(folder, device, dtype, options.quantize, options.attention)
        if two_decoders and way == SA2VA:
            drop_first_decoder(network.grounding)
        if options.compile:
            network.compile_parts()
            if clicked is not None:
                compile_image_encoder(clicked)
        network.language.begin_answers(begin_of_answers(folder))
        offload = Offload(network.language, device) if options.offload else None
        runtime = Runtime(network, tokens, device, dtype, clicked, way, offload)
        return cls(runtime, str(model), _revision(str(model), folder))

    def open(self, stack: Any, *, embedding_budget: int | None = None) -> Session:
        """Open a session on a stack.

        Parameters
        ----------
        stack : FrameSource or array-like
            (H, W), (H, W, 3), (T, H, W) or (T, H, W, 3): numpy, dask, zarr or anything that is
            indexed by frame. Frames are read when they are needed, one at a time.
        embedding_budget : int, optional
            Bytes of image embeddings to keep. Default: 64 MiB, or 16 frames where those are more.

        Raises
        ------
        InputError
            The stack has no frames, no pixels, other axes, or values that are no real numbers.
        """
        if self._runtime is None:
            raise InputError("The engine is closed.", "Load the model again.")
        return Session(self._runtime, as_frames(stack), embedding_budget)

    @property
    def weights_size(self) -> int:
        """Bytes of the weights on the device; 0 once the engine is closed."""
        if self._runtime is None:
            return 0
        networks = (self._runtime.model, self._runtime.prompt_model)
        return sum(w.nbytes for one in networks if one is not None for w in one.parameters())

    @property
    def memory(self) -> tuple[int, int]:
        """Bytes of the device: used, and in all."""
        return (0, 0) if self._runtime is None else device_memory(self._runtime.device)

    def close(self) -> None:
        """Free the model; sessions that are still open keep it until they are closed."""
        self._runtime = None

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


def _revision(name: str, folder: Path) -> str:
    """The commit of a model from the Hub; of the bundled one, the version it came with."""
    if name == BUNDLED:
        return napari_sa2va.__version__
    return folder.name if folder.parent.name == "snapshots" else ""
