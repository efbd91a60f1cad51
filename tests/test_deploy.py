"""What ships the server: Dockerfile, systemd's unit, and the page that tells how."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from napari_sa2va.backend.limits import Limits
from napari_sa2va.backend.server import create_app
from napari_sa2va.backend.sessions import Sessions
from tests.backend.serving import running_server

REPOSITORY = Path(__file__).parents[1]
DEPLOY = REPOSITORY / "deploy"


def test_hadolint_finds_nothing_in_the_dockerfile() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    run = subprocess.run([hadolint, REPOSITORY / "Dockerfile"], capture_output=True, text=True)
    assert (run.returncode, run.stdout) == (0, "")


def test_the_dockerfile_copies_only_what_is_let_through() -> None:
    """`.dockerignore` lets through what packs the wheel, and the health check."""
    lines = (REPOSITORY / ".dockerignore").read_text("utf-8").splitlines()
    named = {line[1:] for line in lines if line.startswith("!")}
    assert "*" in lines
    assert all((REPOSITORY / name).exists() for name in named)
    assert {"napari_sa2va", "pyproject.toml", "setup.cfg", "README.md", "LICENSE"} <= named
    asked = re.search(r'"/source/(deploy/\S+)"', (REPOSITORY / "Dockerfile").read_text("utf-8"))
    assert asked
    assert (REPOSITORY / asked[1]).exists()


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    unit = (DEPLOY / "napari-sa2va.service").read_text("utf-8")
    # It looks for the program, which is not installed there.
    (tmp_path / "napari-sa2va.service").write_text(unit.replace("/opt/napari-sa2va/bin/", "/bin/"))
    true = shutil.which("true")
    assert true
    text = (tmp_path / "napari-sa2va.service").read_text("utf-8")
    (tmp_path / "napari-sa2va.service").write_text(text.replace("/bin/napari-sa2va", true))
    command = ["systemd-analyze", "verify", tmp_path / "napari-sa2va.service"]
    run = subprocess.run(command, capture_output=True, text=True)
    assert (run.returncode, run.stdout + run.stderr) == (0, "")


def test_the_health_check_tells_who_is_there() -> None:
    with running_server(Path("fake")) as served:
        command = [sys.executable, DEPLOY / "health.py", str(served.port)]
        assert subprocess.run(command).returncode == 0
    gone = subprocess.run(command, capture_output=True, text=True)
    assert gone.returncode == 1
    assert "refused" in gone.stderr


def test_all_metrics_are_documented() -> None:
    sessions = Sessions(["nano"])
    create_app(sessions)
    page = (REPOSITORY / "docs" / "server.md").read_text("utf-8")
    names = [metric.name for metric in sessions.metrics.registry.collect()]
    assert len([name for name in names if name.startswith("napari_sa2va_")]) > 10
    assert not [n for n in names if n.startswith("napari_sa2va_") and f"`{n}" not in page]


def test_the_documented_limits_are_those_that_hold() -> None:
    page = (REPOSITORY / "docs" / "server.md").read_text("utf-8")
    limits = Limits()
    for said in (
        f"| Sessions | {limits.max_sessions};",
        f"for {limits.keep_seconds:.0f} seconds",
        f"ends after {limits.silence_seconds:.0f} seconds",
        f"has {limits.frame_seconds:.0f} seconds to arrive",
        f"is left after {limits.send_seconds:.0f} seconds; the work waits from "
        f"{limits.unread_events} events or {limits.unread_bytes // 2**20} MiB on",
        f"| Connections | {limits.max_connections} |",
    ):
        assert said in page
    assert (limits.idle_seconds, limits.session_seconds) == (3600, 24 * 3600)
    assert (limits.frame_bytes, limits.embedding_bytes) == (2**30, 2 * 2**30)
