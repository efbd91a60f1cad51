"""`napari-sa2va models ...` against a Hub on loopback."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from huggingface_hub import constants
from rich.progress import Progress

from napari_sa2va.cli import main
from napari_sa2va.models import download as download_module
from napari_sa2va.models.installed import repository_folder
from napari_sa2va.models.pins import read_record
from tests.hub_mock import REPOSITORY, SHARD, SIZE, HubMock


def run(*arguments: object) -> int:
    return main(["models", *map(str, arguments)])


def test_list_names_the_published_models_without_the_network_or_torch(tmp_path: Path) -> None:
    code = (
        "import sys; from napari_sa2va.cli import main; main(['models', 'list']);"
        "assert not {'torch', 'napari', 'tifffile', 'huggingface_hub'} & set(sys.modules)"
    )
    settings = {**os.environ, "NAPARI_SA2VA_CONFIG": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=settings, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    (row,) = (line for line in lines if line.startswith("ByteDance/Sa2VA-4B "))
    assert row.endswith(" no")
    for cell in ("3.94 B", "8.3 GB", "15.8 GB", "apache-2.0", "multilingual"):
        assert f"  {cell} " in row
    (row,) = (line for line in lines if line.startswith("kumuji/Sa2VA-i-26B "))
    assert row.split()[1:] == ["Sa2VA", "25.78", "B", "52.0", "GB", "103.1", "GB", "?", "?", "no"]
    (row,) = (line for line in lines if line.startswith("facebook/sam2.1-hiera-tiny "))
    memory = ["155.9", "MB"] * 2  # in float32 whatever the dtype
    assert row.split()[1:] == ["SAM-2.1", "39.0", "M", *memory, "apache-2.0", "none", "no"]
    assert "bundled" in lines[1]


def test_a_mirror_is_taken_from_the_environment(hub: HubMock, tmp_path: Path) -> None:
    settings = {
        **os.environ,
        "HF_ENDPOINT": hub.url,
        "HF_HUB_OFFLINE": "0",
        "HF_HUB_CACHE": str(tmp_path / "elsewhere"),
    }
    code = (
        "import sys; from napari_sa2va.cli import main; done = main(sys.argv[1:]);"
        "assert 'torch' not in sys.modules; sys.exit(done)"
    )
    command = [sys.executable, "-c", code, "models", "download", REPOSITORY]
    done = subprocess.run(command, env=settings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert str(tmp_path / "elsewhere") in done.stdout
    assert hub.sent(SHARD) == [SIZE]


def test_a_model_from_download_to_removal(hub: HubMock, capsys) -> None:
    assert run("info", REPOSITORY) == 0
    assert capsys.readouterr().out.count("unknown until asked") == 6
    assert run("download", REPOSITORY) == 0
    assert run("info", REPOSITORY) == 0
    out = capsys.readouterr().out
    for fact in (hub.commit, "550.0 kB, 4 files", "549,600: 0 language side", "apache-2.0"):
        assert fact in out
    assert run("list") == 0
    assert f"{REPOSITORY} " in capsys.readouterr().out
    assert run("verify", REPOSITORY) == 0
    assert f"{SHARD}: ok" in capsys.readouterr().out
    asked = len(hub.requests)
    assert run("download", REPOSITORY) == 0
    assert "is complete" in capsys.readouterr().out
    assert len(hub.requests) == asked
    assert run("remove", REPOSITORY) == 0
    assert "550.1 kB are free" in capsys.readouterr().out
    assert not repository_folder(REPOSITORY).exists()
    assert REPOSITORY not in read_record().pins
    assert run("remove", REPOSITORY) == 2


def test_info_asks_only_when_told_to_and_records_nothing(hub: HubMock, capsys) -> None:
    run("info", "ByteDance/Sa2VA-1B")
    assert not hub.requests
    assert run("info", REPOSITORY, "--ask") == 0
    out = capsys.readouterr().out
    assert hub.commit in out
    assert "550.0 kB, 4 files" in out
    assert REPOSITORY not in read_record().pins


def test_ctrl_c_keeps_what_has_arrived(hub: HubMock, capsys, monkeypatch) -> None:
    monkeypatch.setattr(download_module, "_EVERY", 0.0)
    update = Progress.update

    def interrupt(self, task, **fields) -> None:
        update(self, task, **fields)
        if fields["completed"] > 300_000:
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "update", interrupt)
    assert run("download", REPOSITORY) == 130
    assert "kept" in capsys.readouterr().err
    (half,) = repository_folder(REPOSITORY).glob("blobs/*.incomplete")
    assert half.stat().st_size > 100_000
    run("list")
    (row,) = (r for r in capsys.readouterr().out.splitlines() if r.startswith(REPOSITORY))
    assert row.endswith(" %")


def test_damage_exits_with_1(hub: HubMock, capsys) -> None:
    run("download", REPOSITORY)
    folder = repository_folder(REPOSITORY) / "snapshots" / hub.commit
    (folder / "config.json").resolve().write_bytes(b"{}")
    (folder / SHARD).resolve().write_bytes(b"\xff" * SIZE)
    assert run("verify", REPOSITORY) == 1
    said = capsys.readouterr()
    assert "config.json: 2 bytes instead of" in said.out
    assert "2 of 4 files" in said.err
    assert run("verify", REPOSITORY, "--discard") == 1
    hub.requests.clear()
    assert run("download", REPOSITORY) == 0
    assert hub.asked() == {"config.json": 1, SHARD: 1}
    assert run("verify", REPOSITORY) == 0


def test_damaged_weights_can_be_removed(hub: HubMock, capsys) -> None:
    run("download", REPOSITORY)
    folder = repository_folder(REPOSITORY) / "snapshots" / hub.commit
    (folder / SHARD).resolve().write_bytes(b"\xff" * SIZE)
    assert run("info", REPOSITORY) == 2
    assert "damaged" in capsys.readouterr().err
    assert run("list") == 0
    assert f"{SHARD} is cut or damaged" in capsys.readouterr().out
    assert run("remove", REPOSITORY) == 0


def test_a_folder_is_added_and_taken_off_the_list_but_never_deleted(
    hub: HubMock, tmp_path: Path, capsys
) -> None:
    run("download", REPOSITORY)
    own = tmp_path / "own"
    own.mkdir()
    for path in (repository_folder(REPOSITORY) / "snapshots" / hub.commit).iterdir():
        (own / path.name).write_bytes(path.read_bytes())
    assert run("add", own) == 0
    assert "on the list" in capsys.readouterr().out
    assert run("list") == 0
    (row,) = (r for r in capsys.readouterr().out.splitlines() if r.startswith(str(own)))
    assert row.endswith("yes")
    assert run("remove", own) == 0
    assert (own / "config.json").exists()
    assert run("remove", own) == 2
    assert str(own) not in read_record().added


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("download", "nowhere"), "There is no model"),
        (("download", "nano"), "nothing to download"),
        (("download", "someone/nothing"), "404"),
        (("info", "a/b/c"), "There is no model"),
        (("remove", "nano"), "part of the package"),
        (("verify", "someone/else"), "no checksums"),
        (("verify", "nano"), "no checksums"),
        (("info", "nano", "--ask"), "not from the Hub"),
        (("add", "/no/such/folder"), "There is no model"),
    ],
)
def test_what_cannot_be_done_exits_with_2(hub: HubMock, capsys, arguments, message) -> None:
    assert run(*arguments) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err


def test_offline_says_so(hub: HubMock, capsys, monkeypatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert run("download", REPOSITORY) == 2
    assert "HF_HUB_OFFLINE" in capsys.readouterr().err
