"""The command with a stand-in for the model; `test_demo` runs the bundled one."""

import argparse
import contextlib
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

import napari_sa2va
from napari_sa2va.cli import main
from napari_sa2va.cli_arguments import frames_of, parse_box, parse_frames, parse_point
from napari_sa2va.cli_commands import frame_ranges
from napari_sa2va.core.answers import Answer, Segmentation, SegmentedObject
from napari_sa2va.core.errors import InputError
from napari_sa2va.core.events import Finished, ObjectFound, Reasoning, Token
from napari_sa2va.core.masks import PackedMasks
from napari_sa2va.core.options import LoadOptions
from napari_sa2va.core.prompts import frame_prompts
from napari_sa2va.engine.request import Request

SHAPE = (8, 32, 48)
COORDINATES = st.floats(-1e6, 1e6).map(lambda value: round(value, 4))


class FakeSession:
    """Finds squares of 9 pixels: where it is clicked, and at the centre for any text but one."""

    def __init__(self, stack, interrupt_at, interruption):
        self.shape = stack.shape
        self.scores = {}
        self.places = {}
        self.looked_at = None
        self.interrupt_at, self.interruption = interrupt_at, interruption

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    def segment(self, object_id, frame=0, points=None, box=None, mask=None):
        prompts = frame_prompts(self.shape[1:], points, box, mask)
        if prompts.box is not None:
            place = (prompts.box.y0 + prompts.box.y1) / 2, (prompts.box.x0 + prompts.box.x1) / 2
        else:
            place = prompts.points[0].y, prompts.points[0].x
        return Segmentation(self._mask(object_id, frame, place), 0.5)

    def ask(self, text, frames=None, *, track=True, remember=True):
        self.looked_at = frames
        return Request(self._answer(text, frames))

    def _answer(self, text, frames):
        if "unicorn" in text:
            yield Token("There is no unicorn.")
            yield Token("<|im_end|>")
            yield Finished(Answer("There is no unicorn.<|im_end|>"))
            return
        yield Token("Sure, ")
        yield Token("[SEG]")
        yield Token(".")
        object_id = max(self.places, default=0) + 1
        yield ObjectFound(object_id, text, (6, 11))
        packed = PackedMasks(self.shape)
        for frame in frames or ():
            packed[frame] = self._mask(object_id, frame, (16, 24))
        yield Finished(Answer("Sure, [SEG].", [SegmentedObject(object_id, text, (6, 11), packed)]))

    def propagate(self, objects=None, start=0, stop=None, reverse=False):
        frames = range(start, stop)
        for frame in reversed(frames) if reverse else frames:
            if frame == self.interrupt_at:
                raise self.interruption
            yield frame, {i: self._mask(i, frame, place) for i, place in self.places.items()}

    def _mask(self, object_id, frame, place):
        self.places[object_id] = place
        self.scores.setdefault(object_id, {})[frame] = 0.5
        mask = np.zeros(self.shape[1:], bool)
        y, x = map(int, place)
        mask[max(0, y - 4) : y + 5, max(0, x - 4) : x + 5] = True
        return mask


class FakeEngine:
    interrupt_at, interruption = None, KeyboardInterrupt

    def open(self, stack):
        self.session = FakeSession(stack, self.interrupt_at, self.interruption)
        return self.session

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass


@pytest.fixture
def engine(monkeypatch):
    engine = FakeEngine()

    def load(model, *options, **more):
        engine.loaded = (model, LoadOptions(*options, **more))
        return engine

    monkeypatch.setattr(napari_sa2va, "load", load)
    return engine


@pytest.fixture
def stack(tmp_path):
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, np.random.default_rng(0).integers(0, 255, SHAPE, dtype=np.uint8))
    return path


@pytest.fixture
def labels(tmp_path):
    return tmp_path / "labels.tif"


def run(*arguments):
    return main([str(argument) for argument in arguments])


def test_clicks_become_labels_in_every_frame(engine, stack, labels, capsys):
    assert run("segment", stack, "--points", "10,12", "20,40@3", "-o", labels) == 0
    written = tifffile.imread(labels)
    assert written.shape == SHAPE
    assert written.dtype == np.uint8
    assert (written[:, 10, 12] == 1).all()
    assert (written[:, 20, 40] == 3).all()
    assert (written == 1).sum() == 81 * len(written)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "1  (clicked)  score 0.50  8 frames: 0-7",
        "3  (clicked)  score 0.50  8 frames: 0-7",
    ]
    assert "8/8" in err


def test_texts_get_the_ids_after_the_clicked_ones(engine, stack, labels, capsys):
    assert run("segment", stack, "--text", "the cell", "--points", "5,5@4", "-o", labels) == 0
    assert (tifffile.imread(labels)[:, 16, 24] == 5).all()
    assert "5  the cell  score 0.50" in capsys.readouterr().out


def test_where_objects_overlap_the_first_id_wins(engine, stack, labels):
    assert run("segment", stack, "--points", "10,12@1", "12,14@2", "-o", labels) == 0
    written = tifffile.imread(labels)
    assert (written[:, 11, 13] == 1).all()
    assert (written[:, 16, 18] == 2).all()


def test_a_box_and_points_are_one_object(engine, stack, labels):
    code = run("segment", stack, "--box", "4,4,20,20", "--points", "10,12", "-o", labels)
    assert code == 0
    assert np.unique(tifffile.imread(labels)).tolist() == [0, 1]


def test_only_the_frames_that_are_asked_for_are_followed(engine, stack, labels, capsys):
    arguments = ("--points", "10,12", "--frame", 4, "--frames", "2:6")
    assert run("segment", stack, *arguments, "-o", labels) == 0
    present = tifffile.imread(labels).any((1, 2))
    assert np.flatnonzero(present).tolist() == [2, 3, 4, 5]
    assert "4 frames: 2-5" in capsys.readouterr().out


def test_ids_above_255_get_a_larger_dtype(engine, stack, labels):
    assert run("segment", stack, "--points", "10,12@300", "-o", labels) == 0
    assert tifffile.imread(labels).dtype == np.uint16


def test_a_text_that_finds_nothing(engine, stack, labels, capsys):
    assert run("segment", stack, "--text", "the unicorn", "-o", labels) == 1
    assert "There is no unicorn." in capsys.readouterr().err
    assert not labels.exists()


def test_a_text_that_finds_nothing_does_not_stop_the_others(engine, stack, labels, capsys):
    texts = ("--text", "the unicorn", "--text", "the cell")
    assert run("segment", stack, *texts, "-o", labels) == 0
    out, err = capsys.readouterr()
    assert 'No object was found for "the unicorn"' in err
    assert "1  the cell" in out


def test_ctrl_c_keeps_what_was_finished(engine, stack, labels, capsys):
    engine.interrupt_at = 5
    assert run("segment", stack, "--points", "10,12", "-o", labels) == 130
    present = tifffile.imread(labels).any((1, 2))
    assert np.flatnonzero(present).tolist() == [0, 1, 2, 3, 4]
    assert f"{labels} holds what was finished" in capsys.readouterr().err


def test_a_damaged_frame_keeps_those_before(engine, stack, labels, capsys):
    engine.interrupt_at, engine.interruption = (
        5,
        InputError("Frame 5 is damaged.", "Copy it again."),
    )
    assert run("segment", stack, "--points", "10,12", "-o", labels) == 2
    assert np.flatnonzero(tifffile.imread(labels).any((1, 2))).tolist() == [0, 1, 2, 3, 4]
    assert "Frame 5 is damaged." in capsys.readouterr().err


def test_ctrl_c_before_anything_is_found_writes_nothing(engine, stack, labels, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeSession, "segment", interrupted)
    assert run("segment", stack, "--points", "10,12", "-o", labels) == 130
    assert not labels.exists()
    assert "nothing is written" in capsys.readouterr().err


def test_an_existing_file_is_kept_before_the_model_is_loaded(engine, stack, labels, capsys):
    labels.write_text("years of work")
    assert run("segment", stack, "--points", "10,12", "-o", labels) == 2
    assert "labels.tif exists" in capsys.readouterr().err
    assert not hasattr(engine, "loaded")
    assert run("segment", stack, "--points", "10,12", "--overwrite", "-o", labels) == 0
    assert tifffile.imread(labels).shape == SHAPE


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "There is no prompt."),
        (("--points", "10,99"), "outside the frame"),
        (("--points", "10,12", "--frame", "8"), "frame 8"),
        (("--points", "10,12", "--frames", "2:6", "--frame", "1"), "not among the frames 2:6"),
        (("--points", "10,12", "--frames", "5:9"), "no part of a stack of 8"),
        (("--box", "1,1,9,9", "2,2,9,9"), "two boxes"),
        (("--text", "  "), "empty"),
    ],
)
def test_what_cannot_be_done_exits_with_2_and_a_hint(
    engine, stack, labels, capsys, monkeypatch, arguments, message
):
    if "--text" in arguments:  # the session itself refuses an empty text

        def refuse(*_, **__):
            raise InputError("The text is empty.", "Describe an object.")

        monkeypatch.setattr(FakeSession, "ask", refuse)
    assert run("segment", stack, *arguments, "-o", labels) == 2
    err = capsys.readouterr().err
    assert message in err
    assert "Traceback" not in err
    assert not labels.exists()


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("paint",),
        ("segment",),
        ("segment", "a.tif", "--points", "1", "-o", "b.tif"),
        ("segment", "a.tif", "--points", "1,2,3", "-o", "b.tif"),
        ("segment", "a.tif", "--points", "1,2@0", "-o", "b.tif"),
        ("segment", "a.tif", "--box", "9,9,1,1", "-o", "b.tif"),
        ("segment", "a.tif", "--frames", "a:b", "-o", "b.tif"),
        ("segment", "a.tif", "--text", "cell"),
        ("demo", "--sample", "clouds"),
    ],
)
def test_bad_arguments_exit_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: napari-sa2va" in capsys.readouterr().err


def test_a_missing_stack(engine, labels, tmp_path, capsys):
    assert run("segment", tmp_path / "none.tif", "--points", "1,1", "-o", labels) == 2
    assert "none.tif" in capsys.readouterr().err


def test_what_is_to_be_loaded_is_handed_on(engine, stack, labels):
    options = ("--model", "owner/name", "--device", "cpu", "--dtype", "float32")
    run("segment", stack, "--points", "10,12", *options, "-o", labels)
    assert engine.loaded == ("owner/name", LoadOptions("cpu", "float32"))
    beside = ("--prompt-model", "facebook/sam2.1-hiera-tiny", "--grounding", "sa2va-i")
    run("ask", stack, "What?", *beside, "--quantize", "int4")
    assert engine.loaded == (
        "nano",
        LoadOptions(
            prompt_model="facebook/sam2.1-hiera-tiny", grounding="sa2va-i", quantize="int4"
        ),
    )
    run("ask", stack, "What?", "--offload", "tracking")
    assert engine.loaded == ("nano", LoadOptions(offload="tracking"))
    run("ask", stack, "What?", "--compile", "--attention", "flash_attention_2")
    assert engine.loaded == ("nano", LoadOptions(attention="flash_attention_2", compile=True))
    assert run("ask", stack, "What?", "--compile", "--quantize", "int8") == 2


def test_ask_prints_the_answer_without_steering_tokens(engine, stack, capsys):
    assert run("ask", stack, "Where is the unicorn?", "--frames", "2:4") == 0
    assert capsys.readouterr().out == "There is no unicorn.\n"
    assert list(engine.session.looked_at) == [2, 3]


def test_ask_prints_tokens_as_they_come(engine, stack, capsys, monkeypatch):
    seen = []

    def answer(self, text, frames):
        for piece in ("There ", "are ", "two."):
            yield Token(piece)
            seen.append(capsys.readouterr().out)
        yield Finished(Answer("There are two."))

    monkeypatch.setattr(FakeSession, "_answer", answer)
    assert run("ask", stack, "How many?") == 0
    assert seen == ["There", " are", " two."]
    assert engine.session.looked_at is None


def test_ask_tells_what_the_model_thinks_on_stderr(engine, stack, capsys, monkeypatch):
    def answer(self, text, frames):
        yield Reasoning("Two ")
        yield Reasoning("discs.")
        yield Token("There are two.")
        yield Finished(Answer("There are two."))

    monkeypatch.setattr(FakeSession, "_answer", answer)
    assert run("ask", stack, "How many?") == 0
    told = capsys.readouterr()
    assert (told.out, told.err) == ("There are two.\n", "Reasoning: Two discs.\n\n")


def test_ask_interrupted(engine, stack, monkeypatch):
    def answer(self, text, frames):
        yield Token("There ")
        raise KeyboardInterrupt

    monkeypatch.setattr(FakeSession, "_answer", answer)
    assert run("ask", stack, "How many?") == 130


def test_demo_without_a_screen_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    assert run("demo") == 2
    assert "--headless" in capsys.readouterr().err


def test_info_names_versions_devices_and_the_model(capsys):
    assert run("info") == 0
    out = capsys.readouterr().out
    for word in ("napari-sa2va", "python", "torch", "sam2", "napari", "cpu", "nano"):
        assert word in out


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_are_quick(option):
    code = (
        f"import sys; from napari_sa2va.cli import main\ntry: main([{option!r}])\nfinally:"
        " assert not {'torch', 'napari', 'tifffile', 'av', 'zarr'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert napari_sa2va.__version__ in done.stdout or "segment" in done.stdout


@given(COORDINATES, COORDINATES, st.sampled_from(["", ",+", ",-"]), st.integers(0, 10**6))
def test_points_come_back_as_typed(y, x, sign, object_id):
    suffix = f"@{object_id}" if object_id else ""
    point = parse_point(f"{y},{x}{sign}{suffix}")
    assert point == (object_id or 1, (y, x, sign != ",-"))


@given(COORDINATES, COORDINATES, COORDINATES, COORDINATES, st.integers(1, 10**6))
def test_boxes_come_back_as_typed_or_are_refused(y0, x0, y1, x1, object_id):
    text = f"{y0},{x0},{y1},{x1}@{object_id}"
    if y0 < y1 and x0 < x1:
        assert parse_box(text) == (object_id, (y0, x0, y1, x1))
    else:
        with pytest.raises(argparse.ArgumentTypeError, match="empty"):
            parse_box(text)


@given(st.text(alphabet="0123456789,.+-@:einfa ", max_size=20))
def test_anything_typed_is_understood_or_refused(text):
    for parse in (parse_point, parse_box, parse_frames):
        with contextlib.suppress(argparse.ArgumentTypeError):
            parse(text)


@given(st.none() | st.integers(0, 60), st.none() | st.integers(0, 60), st.integers(1, 50))
def test_frames_are_those_of_a_slice_or_refused(first, last, count):
    text = f"{'' if first is None else first}:{'' if last is None else last}"
    chosen = parse_frames(text)
    frames = range(count)[chosen]
    if len(frames) == 0 or (last is not None and last > count):
        with pytest.raises(InputError):
            frames_of(chosen, count)
    else:
        assert frames_of(chosen, count) == frames


def test_one_frame_may_be_named():
    assert frames_of(parse_frames("7"), 9) == range(7, 8)


@given(st.sets(st.integers(0, 30)))
def test_ranges_name_every_frame_once(frames):
    named = []
    for part in filter(None, frame_ranges(sorted(frames)).split(", ")):
        first, _, last = part.partition("-")
        named.extend(range(int(first), int(last or first) + 1))
    assert named == sorted(frames)
