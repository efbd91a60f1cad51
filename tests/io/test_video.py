import threading

import av
import numpy as np
import pytest

from napari_sa2va.core.errors import InputError
from napari_sa2va.io import open_stack
from napari_sa2va.io.video import VideoFrames, read_index

FRAMES, HEIGHT, WIDTH = 30, 48, 64

CODECS = {
    "reordered.mp4": ("libx264", {"x264-params": "bframes=3:b-adapt=0:scenecut=0"}),
    "open_gop.mp4": ("libx264", {"x264-params": "open-gop=1:bframes=3:b-adapt=0"}),
    "old.avi": ("mpeg4", {}),
    "apple.mov": ("mpeg4", {}),
    "free.webm": ("libvpx-vp9", {}),
    "box.mkv": ("libx264", {}),
    "moving.gif": ("gif", {}),
}


def write_video(path, codec="libx264", options=None, container_options=None):
    """Frames that all differ, a keyframe every 10, with frames stored out of order."""
    with av.open(path, "w", options=container_options or {}) as container:
        stream = container.add_stream(codec, rate=25, options=options or {})
        stream.width, stream.height = WIDTH, HEIGHT
        stream.pix_fmt = "rgb8" if codec == "gif" else "yuv420p"
        if codec != "gif":
            stream.codec_context.gop_size = 10
            stream.codec_context.max_b_frames = 2
        for number in range(FRAMES):
            pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            pixels[..., 0] = number * 8
            pixels[:, : 2 * number + 2, 1] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
        container.mux(stream.encode(None))


def decode_all(path):
    with av.open(path) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


@pytest.fixture(scope="module")
def videos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("videos")
    for name, (codec, options) in CODECS.items():
        write_video(folder / name, codec, options)
    return folder


@pytest.mark.parametrize("name", CODECS)
@pytest.mark.parametrize("order", ["forward", "backward", "random", "strides"])
def test_every_order_gives_the_frames_of_sequential_decoding(videos, name, order):
    expected = decode_all(videos / name)
    source = open_stack(videos / name)
    assert source.shape == expected.shape[:3] == (FRAMES, HEIGHT, WIDTH)
    numbers = {
        "forward": range(FRAMES),
        "backward": range(FRAMES - 1, -1, -1),
        "random": np.random.default_rng(0).permutation(FRAMES).tolist(),
        "strides": [*range(0, FRAMES, 7), *range(3, FRAMES, 7), 0, FRAMES - 1],
    }[order]
    for number in numbers:
        np.testing.assert_array_equal(source.frame(number), expected[number], str(number))


@pytest.mark.parametrize("name", ["dog.mp4", "juggle.mp4"])
def test_real_videos_at_random(shared, name):
    path = shared / "data" / "video" / name
    expected = decode_all(path)
    source = open_stack(path)
    assert source.shape == expected.shape[:3]
    for number in (89, 0, 45, 44, 46, 13, 88):
        np.testing.assert_array_equal(source.frame(number), expected[number])


def test_opening_decodes_nothing(videos, monkeypatch):
    opened = []
    monkeypatch.setattr(VideoFrames, "_advance_to", lambda self, index: opened.append(index))
    open_stack(videos / "reordered.mp4")
    assert opened == []


def test_frames_in_order_are_decoded_once(videos, monkeypatch):
    source = open_stack(videos / "reordered.mp4")
    starts = []
    monkeypatch.setattr(source, "_start_decoding", starts.append)
    for number in range(FRAMES):
        source.frame(number)
    assert starts == []


def test_a_jump_starts_at_the_nearest_keyframe(videos, monkeypatch):
    source = open_stack(videos / "reordered.mp4")
    starts = []
    start_decoding = source._start_decoding
    monkeypatch.setattr(
        source, "_start_decoding", lambda number: (starts.append(number), start_decoding(number))
    )
    source.frame(25)
    source.frame(14)
    assert starts == [20, 10]


def test_recent_frames_are_kept_and_safe_from_their_readers(videos, monkeypatch):
    source = open_stack(videos / "reordered.mp4")
    first = source.frame(5)
    expected = first.copy()
    monkeypatch.setattr(source, "_decode", None)
    first[:] = 0
    np.testing.assert_array_equal(source.frame(5), expected)


def test_threads_share_a_source(videos):
    expected = decode_all(videos / "reordered.mp4")
    source = open_stack(videos / "reordered.mp4")
    wrong = []

    def read(numbers):
        wrong.extend(n for n in numbers if not np.array_equal(source.frame(n), expected[n]))

    threads = [
        threading.Thread(target=read, args=(np.random.default_rng(seed).permutation(FRAMES),))
        for seed in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_the_index_is_ascending(videos):
    index = read_index(videos / "reordered.mp4")
    assert index.times == sorted(index.times)
    assert [index.times.index(time) for time in index.keyframes] == [0, 10, 20]


@pytest.mark.parametrize("kept", [0.01, 0.3, 0.6, 0.95])
@pytest.mark.parametrize("flags", [{}, {"movflags": "faststart"}], ids=["moov last", "moov first"])
def test_a_truncated_video_is_refused(tmp_path, flags, kept):
    path = tmp_path / "cut.mp4"
    write_video(path, container_options=flags)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(len(whole) * kept)])
    with pytest.raises(InputError, match=r"cut\.mp4") as caught:
        open_stack(path)
    assert "again" in caught.value.hint


def test_damaged_late_frames_leave_the_early_ones_readable(tmp_path):
    path = tmp_path / "damaged.mp4"
    write_video(path, container_options={"movflags": "faststart"})
    expected = decode_all(path)
    with av.open(path) as container:
        (damaged,) = [p for p in container.demux(video=0) if p.pts == 20 * 512]
        start, size = damaged.pos, damaged.size
    whole = bytearray(path.read_bytes())
    whole[start : start + size] = b"\xff" * size
    path.write_bytes(whole)
    source = open_stack(path)
    with pytest.raises(InputError, match=r"Frame 20 of .*damaged\.mp4"):
        source.frame(20)
    np.testing.assert_array_equal(source.frame(3), expected[3])


def test_a_text_file_named_mp4_is_refused(tmp_path):
    (tmp_path / "note.mp4").write_text("not a film")
    with pytest.raises(InputError, match=r"note\.mp4 cannot be read"):
        open_stack(tmp_path / "note.mp4")


def test_sound_alone_is_refused(tmp_path):
    path = tmp_path / "sound.mp4"
    with av.open(path, "w") as container:
        stream = container.add_stream("aac", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 8000
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with pytest.raises(InputError, match="No video is found"):
        open_stack(path)
