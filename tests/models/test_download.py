"""Downloads from a Hub on loopback: whole, cut, cancelled, resumed, lied to, refused."""

from __future__ import annotations

import random
import shutil
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants

from napari_sa2va.core.errors import CheckpointError
from napari_sa2va.models import download as download_module
from napari_sa2va.models import hub as hub_module
from napari_sa2va.models.catalog import (
    add_model,
    fetch_model,
    find_entry,
    find_model,
    list_models,
)
from napari_sa2va.models.download import Transfer, download
from napari_sa2va.models.installed import (
    check_files,
    discard_file,
    partial_path,
    remove_repository,
    repository_folder,
)
from napari_sa2va.models.pins import read_record, record_path
from tests.hub_mock import REPOSITORY, SHARD, SIZE, Fault, HubMock


@pytest.fixture(autouse=True)
def quick(hub: HubMock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits where the Hub names none, and a report of every piece."""
    monkeypatch.setattr(hub_module, "_FIRST_WAIT", 0.01)
    monkeypatch.setattr(download_module, "_EVERY", 0.0)


def fetch(revision: str | None = None) -> tuple[list[Transfer], Path]:
    """Download all; the reports and the folder."""
    reports, fetching = [], download(REPOSITORY, revision)
    while True:
        try:
            reports.append(next(fetching))
        except StopIteration as done:
            return reports, done.value


def partial() -> Path:
    """Where the beginning of the second shard waits."""
    files = {file.name: file for file in read_record().pins[REPOSITORY].files}
    return partial_path(REPOSITORY, files[SHARD])


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_only_weights_settings_and_tokenizer_arrive_and_are_pinned(hub: HubMock) -> None:
    _, folder = fetch()
    served = hub.repositories[REPOSITORY]
    names = {"config.json", "tokenizer.json", "model-00001-of-00002.safetensors", SHARD}
    assert contents(folder) == {name: served[name] for name in names}
    assert set(hub.asked()) == names
    assert folder.name == hub.commit
    pin = read_record().pins[REPOSITORY]
    assert (pin.revision, pin.licence, pin.languages) == (
        hub.commit,
        "apache-2.0",
        ("multilingual",),
    )
    assert pin.size == sum(len(served[name]) for name in names)
    assert all(not checked.problem for checked in check_files(REPOSITORY, pin))


def test_reports_grow_to_the_total_and_tell_a_speed(hub: HubMock) -> None:
    reports, _ = fetch()
    done = [report.done for report in reports]
    assert done == sorted(done)
    assert reports[-1].done == reports[-1].total == read_record().pins[REPOSITORY].size
    assert any(report.speed > 0 for report in reports)
    assert {SHARD, f"checking {SHARD}"} <= {report.what for report in reports}


def test_the_cache_is_one_that_huggingface_hub_knows(hub: HubMock) -> None:
    _, folder = fetch()
    found = huggingface_hub.snapshot_download(
        REPOSITORY, local_files_only=True, cache_dir=constants.HF_HUB_CACHE
    )
    assert Path(found) == folder
    (repository,) = huggingface_hub.scan_cache_dir(constants.HF_HUB_CACHE).repos
    assert repository.repo_id == REPOSITORY
    assert repository.size_on_disk == read_record().pins[REPOSITORY].size


def test_what_is_complete_asks_nothing(hub: HubMock) -> None:
    _, folder = fetch()
    asked = len(hub.requests)
    assert find_model(REPOSITORY) == folder
    assert len(hub.requests) == asked


def test_the_token_goes_to_the_hub_and_not_to_the_storage(hub: HubMock) -> None:
    fetch()
    for request in hub.requests:
        token = {k.lower(): v for k, v in request.headers.items()}.get("authorization")
        assert token == (None if request.path.startswith("/store/") else "Bearer hf_secret")


def test_a_cut_connection_goes_on_at_the_byte_where_it_was_cut(hub: HubMock) -> None:
    hub.faults = [Fault(SHARD, times=2, cut_after=100_000)]
    _, folder = fetch()
    assert hub.sent(SHARD) == [100_000, 100_000, SIZE - 200_000]
    assert (folder / SHARD).read_bytes() == hub.repositories[REPOSITORY][SHARD]


def test_a_connection_that_is_always_cut_gives_up_and_keeps_what_came(hub: HubMock) -> None:
    hub.faults = [
        Fault(SHARD, cut_after=100_000),
        Fault(SHARD, times=99, cut_after=0),
    ]
    with pytest.raises(CheckpointError, match="cut") as caught:
        fetch()
    assert "kept" in caught.value.hint
    assert partial().stat().st_size == 100_000
    assert hub.sent(SHARD) == [100_000, 0, 0, 0]  # four tries since the last byte, with the first
    hub.faults.clear()
    fetch()
    assert hub.sent(SHARD)[4:] == [SIZE - 100_000]


def test_cancelled_it_resumes_at_the_next_byte_in_another_call(hub: HubMock) -> None:
    fetching = download(REPOSITORY)
    for report in fetching:
        if report.what == SHARD and report.done > 250_000:
            break
    fetching.close()
    have = partial().stat().st_size
    assert 0 < have < SIZE
    assert find_entry(REPOSITORY).arrived == read_record().pins[REPOSITORY].size - SIZE + have
    before = len(hub.requests)
    first, *_ = fetch()[0]
    assert first.done >= have
    resumed = hub.requests[before:]
    assert [r.headers["Range"] for r in resumed] == [f"bytes={have}-"] * 2  # and its redirection
    assert resumed[-1].sent == SIZE - have


def test_a_resumed_download_stays_with_its_commit(hub: HubMock) -> None:
    hub.faults = [Fault(SHARD, times=99, cut_after=0)]
    with pytest.raises(CheckpointError):
        fetch()
    hub.faults.clear()
    first, hub.commit = hub.commit, "f" * 40  # main has moved
    with pytest.raises(CheckpointError, match="404"):  # this Hub forgets old commits
        fetch()
    assert read_record().pins[REPOSITORY].revision == first
    _, folder = fetch("main")
    assert folder.name == read_record().pins[REPOSITORY].revision == hub.commit


def test_a_server_that_ignores_ranges_starts_anew(hub: HubMock) -> None:
    hub.ignores_ranges = True
    hub.faults = [Fault(SHARD, cut_after=100_000)]
    reports, folder = fetch()
    assert hub.sent(SHARD) == [100_000, SIZE]
    assert (folder / SHARD).read_bytes() == hub.repositories[REPOSITORY][SHARD]
    assert reports[-1].done == reports[-1].total


@pytest.mark.parametrize("announced", [SIZE - 1, SIZE + 1, 1])
def test_a_size_that_was_a_lie_is_told(hub: HubMock, announced: int) -> None:
    hub.announced[SHARD] = announced
    with pytest.raises(CheckpointError, match=f"{announced} bytes of {SHARD}") as caught:
        fetch()
    assert "mirror" in caught.value.hint
    assert find_entry(REPOSITORY).folder is None


def test_a_file_that_was_announced_to_be_empty_is_not_taken_for_one(hub: HubMock) -> None:
    hub.announced[SHARD] = 0
    with pytest.raises(CheckpointError, match="another checksum"):
        fetch()
    assert find_entry(REPOSITORY).folder is None


def test_a_file_that_ends_before_its_announced_size_is_told_when_resumed(hub: HubMock) -> None:
    hub.announced[SHARD] = SIZE + 10
    with pytest.raises(CheckpointError):
        fetch()
    partial().write_bytes(hub.repositories[REPOSITORY][SHARD])
    with pytest.raises(CheckpointError, match=f"no more than {SIZE}"):
        fetch()
    assert not partial().exists()


def test_contents_that_are_not_those_announced_are_deleted(hub: HubMock) -> None:
    hub.swapped[SHARD] = random.Random(3).randbytes(SIZE)
    with pytest.raises(CheckpointError, match="another checksum"):
        fetch()
    assert not partial().exists()
    hub.swapped.clear()
    _, folder = fetch()
    assert (folder / SHARD).read_bytes() == hub.repositories[REPOSITORY][SHARD]


def test_small_files_are_checked_too(hub: HubMock) -> None:
    hub.swapped["config.json"] = b'{"model_type": "sa2va_evil"}'
    with pytest.raises(CheckpointError, match=r"config\.json arrived with another checksum"):
        fetch()


@pytest.mark.parametrize(
    ("status", "headers", "says", "hint"),
    [
        (401, {}, "401", "hf auth login"),
        (403, {}, "403", "Accept its conditions"),
        (403, {"X-Error-Code": "GatedRepo"}, "403", "Accept its conditions"),
        (404, {"X-Error-Code": "RepoNotFound"}, "404", "spelt"),
        (404, {"X-Error-Code": "RevisionNotFound"}, "no such revision", "spelt"),
        (418, {}, "418", "HF_ENDPOINT"),
    ],
)
@pytest.mark.parametrize("path", ["/api/models/", f"/resolve/{'c0ffee' + '0' * 34}/{SHARD}"])
def test_a_refusal_is_told_once_with_the_way_out(
    hub: HubMock, path: str, status: int, headers: dict[str, str], says: str, hint: str
) -> None:
    hub.faults = [Fault(path, times=99, status=status, headers=headers)]
    with pytest.raises(CheckpointError) as caught:
        fetch()
    assert caught.value.message.startswith(f"{REPOSITORY} could not be downloaded: ")
    assert says in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value)
    assert hub.faults[0].times == 98


@pytest.mark.parametrize("path", ["/api/models/", f"/store/{REPOSITORY}/{SHARD}"])
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (429, {"Retry-After": "1"}),
        (429, {"RateLimit": '"api";r=0;t=1'}),
        (503, {"Retry-After": "1"}),
    ],
)
def test_a_busy_hub_is_asked_again_when_it_says(
    hub: HubMock, path: str, status: int, headers: dict[str, str]
) -> None:
    hub.faults = [Fault(path, status=status, headers=headers)]
    reports, _ = fetch()
    waits = [report for report in reports if report.what.startswith("waiting 1 s: ")]
    assert len(waits) > 5  # each one is a chance to cancel
    assert f"({status})" in waits[0].what


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_hub_that_stays_busy_is_left_alone_after_four_tries(hub: HubMock, status: int) -> None:
    hub.faults = [Fault("/api/", times=99, status=status)]
    with pytest.raises(CheckpointError, match=str(status)) as caught:
        fetch()
    assert "later" in caught.value.hint
    assert len(hub.requests) == 4


def test_a_long_wait_is_left_to_the_user(hub: HubMock) -> None:
    hub.faults = [Fault("/api/", status=429, headers={"Retry-After": "3600"})]
    with pytest.raises(CheckpointError, match="asks to wait 3600 s"):
        fetch()
    assert len(hub.requests) == 1


def test_no_connection_at_all(hub: HubMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(CheckpointError, match=r"failed or was cut \(ConnectError: .+\)"):
        fetch()


def test_a_page_of_the_network_instead_of_the_hub(
    hub: HubMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "_info", lambda _: ["log in here"])
    with pytest.raises(CheckpointError, match="does not answer as the Hub does"):
        fetch()


def test_offline_nothing_is_asked(hub: HubMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    for ask in (fetch, lambda: find_model(REPOSITORY)):
        with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set"):
            ask()
    assert not hub.requests


def test_offline_a_half_is_not_enough(hub: HubMock, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.faults = [Fault(SHARD, times=99, cut_after=0)]
    with pytest.raises(CheckpointError, match="cut"):
        fetch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="HF_HUB_OFFLINE is set, and it is not complete"):
        find_model(REPOSITORY)


def test_offline_what_is_complete_or_was_brought_by_others_is_found(
    hub: HubMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, folder = fetch()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert find_model(REPOSITORY) == folder
    record_path().unlink()
    assert find_model(REPOSITORY) == folder


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            {"config.json": b"{}", "pytorch_model.bin": b"", "sam/x.pt": b""},
            r"no safetensors weights but pickles \(pytorch_model.bin, sam/x.pt\), which could run",
        ),
        ({"config.json": b"{}", "deep/model.safetensors": b""}, "no safetensors weights"),
        ({"model.safetensors": b""}, "no config.json"),
        (
            {"model.safetensors": b"", "config.json": b"{}", "tokenizer_config.json": b"{}"},
            r"none of the files that are read: tokenizer\.json, tokenizer\.model",
        ),
    ],
)
def test_a_repository_that_is_no_safe_checkpoint_is_refused(
    hub: HubMock, files: dict[str, bytes], says: str
) -> None:
    hub.repositories[REPOSITORY] = files
    with pytest.raises(CheckpointError, match=says):
        fetch()
    assert len(hub.requests) == 1
    assert REPOSITORY not in read_record().pins


@pytest.mark.parametrize("name", ["../evil.json", "..\\evil.json", "C:evil.json", "/evil.json"])
def test_names_that_lead_elsewhere_are_left_out(hub: HubMock, name: str) -> None:
    hub.repositories[REPOSITORY][name] = b"{}"
    _, folder = fetch()
    assert "evil" not in str(contents(folder).keys())


def test_a_checksum_that_is_a_path_is_refused(
    hub: HubMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def evil(name: str, _: bytes) -> dict[str, object]:
        return {"rfilename": name, "size": 1, "blobId": "../../../evil"}

    monkeypatch.setattr(hub, "_sibling", evil)
    with pytest.raises(CheckpointError, match=r"no checksum of config\.json"):
        fetch()


def test_a_disk_that_is_too_small_is_told_before(
    hub: HubMock, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage("/")._replace(free=SIZE)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(CheckpointError, match="GB free") as caught:
        fetch()
    assert "HF_HUB_CACHE" in caught.value.hint
    assert not hub.asked()


def test_a_second_process_is_refused(hub: HubMock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(download_module, "_LOCK_WAIT", 0.05)
    first = download(REPOSITORY)
    for report in first:
        if report.done:
            break
    with pytest.raises(CheckpointError, match="another process"):
        fetch()
    first.close()
    fetch()


def test_damage_is_found_and_named(hub: HubMock) -> None:
    _, folder = fetch()
    pin = read_record().pins[REPOSITORY]
    shard = (folder / SHARD).resolve()
    shard.write_bytes(bytes([shard.read_bytes()[0] ^ 1]) + shard.read_bytes()[1:])
    (folder / "config.json").resolve().write_bytes(b"{}")
    (folder / "tokenizer.json").unlink()
    problems = {c.name: c.problem for c in check_files(REPOSITORY, pin) if c.problem}
    assert problems.keys() == {SHARD, "config.json", "tokenizer.json"}
    assert "checksum" in problems[SHARD]
    assert "2 bytes instead of" in problems["config.json"]
    assert problems["tokenizer.json"] == "missing"
    for name in problems:
        discard_file(REPOSITORY, pin, name)
    hub.requests.clear()
    fetch()
    assert hub.asked() == {SHARD: 1, "config.json": 1}  # the third was only not linked
    assert all(not checked.problem for checked in check_files(REPOSITORY, pin))


def test_removing_frees_what_was_downloaded(hub: HubMock) -> None:
    fetch()
    size = read_record().pins[REPOSITORY].size
    assert remove_repository(REPOSITORY) == size + 40  # and the commit's name in refs/main
    assert not repository_folder(REPOSITORY).exists()
    assert remove_repository(REPOSITORY) == 0


def test_what_the_user_adds_is_listed(hub: HubMock, tmp_path: Path) -> None:
    add_model("someone/else")
    add_model("someone/else")
    with pytest.raises(CheckpointError, match="There is no model"):
        add_model("no id")
    folder = tmp_path / "own"
    folder.mkdir()
    (folder / "pytorch_model.bin").touch()
    with pytest.raises(CheckpointError, match="holds no checkpoint"):
        add_model(str(folder))
    (folder / "config.json").touch()
    (folder / "x.safetensors").write_bytes(b"damaged")
    add_model(str(folder))
    entries = {entry.known.name: entry for entry in list_models()}
    assert list(entries)[-2:] == ["someone/else", str(folder)]
    assert entries["nano"].known.parameters is not None
    assert "damaged" in entries[str(folder)].problem


def test_the_hubs_word_goes_before_the_catalogs(hub: HubMock) -> None:
    published = "ByteDance/Sa2VA-26B"
    hub.repositories[published] = hub.repositories[REPOSITORY]
    hub.card = {"license": "mit", "language": "en"}
    fetching = fetch_model(published)
    next(report for report in fetching if report.done)
    fetching.close()
    known = find_entry(published).known
    assert (known.licence, known.languages, known.revision) == ("mit", ("en",), hub.commit)


@pytest.mark.parametrize(
    "text", ["{", "[]", '{"format": 2}', '{"format": 1, "pinned": {"a/b": 1}}']
)
def test_a_damaged_record_is_named(hub: HubMock, text: str) -> None:
    record_path().parent.mkdir()
    record_path().write_text(text)
    with pytest.raises(CheckpointError, match=r"models\.json"):
        read_record()
