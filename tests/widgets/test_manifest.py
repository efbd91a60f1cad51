"""What napari reads before it loads anything."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import napari_sa2va

ROOT = Path(napari_sa2va.__file__).parents[1]


def test_the_manifest_names_what_there_is() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_file(ROOT / "napari_sa2va" / "napari.yaml")
    assert manifest.name == "napari-sa2va"
    assert manifest.display_name == "Sa2VA"
    widget = manifest.contributions.widgets[0]
    assert (widget.command, widget.display_name) == ("napari-sa2va.open", "Sa2VA")
    for command in manifest.contributions.commands:
        module, name = command.python_name.split(":")
        assert callable(getattr(import_module(module), name))


def test_the_manifest_at_the_top_is_a_link() -> None:
    link = ROOT / "napari.yaml"
    assert link.is_symlink()
    assert link.resolve() == ROOT / "napari_sa2va" / "napari.yaml"


def test_napari_passes_the_viewer() -> None:
    from napari._qt._qplugins._qnpe2 import _get_widget_viewer_param

    from napari_sa2va.widgets import Sa2VAWidget

    assert _get_widget_viewer_param(Sa2VAWidget, "Sa2VA") == "viewer"


def test_importing_the_dock_does_not_import_torch() -> None:
    code = (
        "import sys, napari_sa2va.widgets;"
        "print([m for m in ('torch', 'transformers', 'sam2') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip().splitlines()[-1] == "[]"


def test_the_plugins_menu_opens_the_dock(make_napari_viewer, npe2pm) -> None:
    from npe2 import PluginManifest

    from napari_sa2va.widgets import Sa2VAWidget

    manifest = PluginManifest.from_file(ROOT / "napari_sa2va" / "napari.yaml")
    with npe2pm.tmp_plugin(manifest=manifest):
        viewer = make_napari_viewer()
        _, widget = viewer.window.add_plugin_dock_widget("napari-sa2va", "Sa2VA")
        assert isinstance(widget, Sa2VAWidget)
        assert widget.backend_line.model.currentText() == "nano (bundled)"
        assert widget.backend_line.light.state == "idle"
