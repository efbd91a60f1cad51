"""The options with which the dock loads models."""

from __future__ import annotations

import pytest

from napari_sa2va.backend import local
from napari_sa2va.backend.base import BackendInfo
from napari_sa2va.core.options import DEFAULTS, LoadOptions
from napari_sa2va.models.catalog import Entry
from napari_sa2va.models.known import PUBLISHED
from napari_sa2va.widgets import _sa2va_widget, _sessions
from napari_sa2va.widgets._load_options import LoadOptionsPanel
from napari_sa2va.widgets._settings import IN_NAPARI, Settings

TINY = "facebook/sam2.1-hiera-tiny"


@pytest.fixture
def panel(qtbot) -> LoadOptionsPanel:
    panel = LoadOptionsPanel()
    qtbot.addWidget(panel)
    panel.show_prompt_models(Entry(known) for known in PUBLISHED)
    return panel


def choose(panel: LoadOptionsPanel, **values: str | None) -> None:
    for name, value in values.items():
        box = getattr(panel, name)
        box.setCurrentIndex(box.findData(value))


def test_what_is_chosen_is_applied(panel, qtbot) -> None:
    assert panel.options() == DEFAULTS
    assert not panel.apply.isEnabled()
    choose(panel, dtype="bfloat16", prompt_model=TINY, grounding="sa2va-i", quantize="int4")
    wanted = LoadOptions("auto", "bfloat16", TINY, "sa2va-i", "int4")
    with qtbot.waitSignal(panel.options_wanted) as asked:
        panel.apply.click()
    assert asked.args == [wanted]
    panel.show_options(wanted)
    assert not panel.apply.isEnabled()
    choose(panel, quantize=None, attention="flash_attention_2")
    panel.compile.setChecked(True)
    assert panel.options() == LoadOptions(
        "auto", "bfloat16", TINY, "sa2va-i", attention="flash_attention_2", compile=True
    )


def test_plain_sam2_are_offered_once(panel) -> None:
    panel.show_prompt_models(Entry(known) for known in PUBLISHED)
    offered = [panel.prompt_model.itemData(i) for i in range(panel.prompt_model.count())]
    sizes = ("tiny", "small", "base-plus", "large")
    assert offered == [None, *(f"facebook/sam2.1-hiera-{size}" for size in sizes)]


def test_what_does_not_go_together_is_said_at_once(panel) -> None:
    choose(panel, quantize="int8")
    panel.offload.setChecked(True)
    assert "do not go together with offload" in panel.trouble.text()
    assert not panel.apply.isEnabled()
    panel.offload.setChecked(False)
    assert panel.trouble.text() == ""
    assert panel.apply.isEnabled()
    panel.set_usable(False)
    assert not panel.apply.isEnabled()


def test_every_choice_is_explained(panel) -> None:
    boxes = [*panel._choices.values(), panel.offload, panel.compile, panel.apply]
    assert all(box.toolTip() for box in boxes)


def test_the_dock_loads_models_so(make_napari_viewer, qtbot, monkeypatch) -> None:
    made: list[tuple[str, LoadOptions]] = []
    brought: list[str] = []

    class Backend:
        def __init__(self, model: str, options: LoadOptions) -> None:
            made.append((model, options))
            self.info = BackendInfo(model, "idle")

        def close(self) -> None:
            pass

    monkeypatch.setattr(local, "LocalBackend", Backend)
    monkeypatch.setattr(_sa2va_widget, "read_settings", lambda: Settings(place=IN_NAPARI))
    monkeypatch.setattr(_sessions, "bring_model", lambda model: iter(brought.append(model) or ()))
    monkeypatch.setattr(_sa2va_widget.ModelStore, "refresh", lambda _: None)
    viewer = make_napari_viewer()
    widget = _sa2va_widget.Sa2VAWidget(viewer)
    viewer.window.add_dock_widget(widget)
    panel = widget.models_window.options
    panel.show_prompt_models(Entry(known) for known in PUBLISHED)
    widget.workbench.sessions._the_backend()
    choose(panel, prompt_model=TINY)
    panel.apply.click()
    sessions = widget.workbench.sessions
    sessions._the_backend()
    list(sessions.bring())
    wanted = LoadOptions(prompt_model=TINY)
    assert made == [("nano", DEFAULTS), ("nano", wanted)]
    assert brought == ["nano", TINY]
    assert not panel.apply.isEnabled()
    widget.choose_model("owner/name")  # another model is loaded in the same way
    widget.workbench.sessions._the_backend()
    assert made[-1] == ("owner/name", wanted)
