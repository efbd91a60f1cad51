"""How a model is loaded, on its way to where it is loaded."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import pytest

import napari_sa2va
from napari_sa2va.backend.client import RemoteBackend, ServerConnector
from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.places import CHILD_PROCESS, THIS_PROCESS, make_backend
from napari_sa2va.backend.protocol import (
    Open,
    ProtocolError,
    WireOptions,
    decode_from_client,
    encode,
    wire_options,
)
from napari_sa2va.backend.refusals import RefusedError
from napari_sa2va.backend.resident_models import ResidentModels
from napari_sa2va.backend.turns import Turns
from napari_sa2va.cli import build_parser
from napari_sa2va.cli_arguments import load_options
from napari_sa2va.core.options import LoadOptions
from tests.backend.fake_engine import FakeEngine
from tests.backend.serving import TOKEN, make_stack, running_server

OPTIONS = LoadOptions(
    "cuda:1", "bfloat16", "facebook/sam2.1-hiera-tiny", "sa2va-i", attention="flash_attention_2"
)


def test_options_arrive_as_they_were_sent_but_for_the_device() -> None:
    sent = Open("nano", path="stack.tif", options=wire_options(OPTIONS))
    arrived = decode_from_client(encode(sent))
    assert isinstance(arrived, Open)
    assert arrived == sent
    assert arrived.options is not None
    assert arrived.options.load_options("cpu") == replace(OPTIONS, device="cpu")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"quantize": "int3"}, "int3"),
        ({"attention": "magic"}, "magic"),
        ({"compile": "yes"}, "bool"),
        ({"device": "cuda"}, "device"),
        ({"prompt_model": "x" * 5000}, "4096"),
        ({"quantize": "int8", "compile": True}, "go together"),
    ],
)
def test_options_that_are_none_are_refused(options: dict[str, Any], says: str) -> None:
    message = {"kind": "Open", "model": "nano", "path": "stack.tif", "options": options}
    with pytest.raises(ProtocolError, match=says):
        decode_from_client(msgspec.msgpack.encode(message))


def resident(names: list[str] | None) -> ResidentModels:
    return ResidentModels(names, LoadOptions("cpu", "float32"), Limits(), Turns())


def test_where_any_model_may_be_asked_for_so_may_options() -> None:
    models = resident(None)
    assert models.acquire("nano").options == LoadOptions("cpu", "float32")
    compiled = WireOptions(compile=True)
    with pytest.raises(RefusedError, match="with other options for another session"):
        models.acquire("nano", compiled)
    models.release("nano")
    assert models.acquire("nano", compiled).options == LoadOptions("cpu", compile=True)
    assert models.acquire("nano", compiled) is models.acquire("nano", compiled)


def test_the_owner_of_a_server_decides() -> None:
    models = resident(["nano"])
    assert models.acquire("nano", WireOptions("float32")).options.device == "cpu"
    with pytest.raises(RefusedError, match="options of its own"):
        models.acquire("nano", WireOptions("float32", prompt_model="/etc"))


def test_a_place_hands_options_on(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []

    def load(model: str, **options: Any) -> FakeEngine:
        loaded.append((model, LoadOptions(**options)))
        return FakeEngine()

    monkeypatch.setattr(napari_sa2va, "load", load)
    stack = make_stack()
    with closing(make_backend(THIS_PROCESS, "nano", OPTIONS)) as backend:
        backend.open(stack).close()
    assert loaded == [("nano", OPTIONS)]
    with running_server("fake", options=OPTIONS) as served:
        _open_on(served.url, stack, None)
        assert loaded[1:] == [("fake", OPTIONS)]
        _open_on(served.url, stack, replace(OPTIONS, device="auto"))  # the device is the server's
        with pytest.raises(RefusedError, match="options of its own"):
            _open_on(served.url, stack, replace(OPTIONS, dtype="float16"))
    child = make_backend(CHILD_PROCESS, "nano", OPTIONS)  # not started: only how it would be
    assert isinstance(child, RemoteBackend)
    assert child._options == OPTIONS
    assert child._connector._settings.device == "cuda:1"  # type: ignore[attr-defined]


def _open_on(url: str, stack: np.ndarray, options: LoadOptions | None) -> None:
    with closing(RemoteBackend(ServerConnector(url, TOKEN), "fake", options)) as backend:
        backend.open(stack).close()


def test_a_server_takes_all_options_from_the_command_line() -> None:
    typed = "serve --dtype bfloat16 --attention flash_attention_2 --grounding sa2va-i --compile"
    beside = "--device cuda:1 --prompt-model facebook/sam2.1-hiera-tiny"
    arguments = build_parser().parse_args([*typed.split(), *beside.split()])
    assert load_options(arguments) == replace(OPTIONS, compile=True)
