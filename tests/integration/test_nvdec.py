"""Decoding on a GPU, through FFmpeg's own NVDEC on one that is made up (tests/fake_nvdec.c).

It hands out what the CPU has decoded, in NVDEC's order of planes, so that what comes out must be
the CPU's pictures again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext

from stream.configuration.config import CameraConfig
from stream.processes.capture_process import CaptureProcess
from stream.processes.remote_capture import RemoteCapture
from stream.samples import SampleQueue
from stream.status import StatusChange
from tests.integration.processes import environment
from tests.stream.processes.orders import BEGIN
from tests.stream.synthetic import U8, write_video

SOURCE = Path(__file__).parents[1] / "fake_nvdec.c"
FRAMES, SIZE = 30, (322, 182)  # no multiple of anything
READER = """
import hashlib, json, logging, sys
from stream.errors import SourceError
from stream.sources.file import FileSource
from stream.sources.source import SourceOptions

logging.basicConfig(format="%(message)s")
path, decoder, openings, every = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
said = []
for _ in range(openings):
    source = FileSource(path, SourceOptions(decoder=decoder))
    try:
        codec, frames = source.open().codec, []
        for number, frame in enumerate(source.frames()):
            image = frame.image() if number % every == 0 else None
            digest = None if image is None else hashlib.sha256(image.tobytes()).hexdigest()
            frames.append([frame.pts_ns, frame.width, frame.height, digest, frame.lost])
        said.append({"codec": codec, "frames": frames})
    except SourceError as error:
        said.append({"error": str(error)})
    source.close()
print(json.dumps(said))
"""


@pytest.fixture(scope="module")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("no C compiler: the libraries that stand for a GPU can't be built")
    folder = tmp_path_factory.mktemp("driver")
    made = folder / "libcuda.so.1"
    command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(made), str(SOURCE)]
    subprocess.run(command, check=True)
    (folder / "libnvcuvid.so.1").symlink_to(made.name)
    return folder


def texture() -> Iterator[U8]:
    """A texture that drifts, with colours that change from pixel to pixel."""
    width, height = SIZE
    drawn = np.random.default_rng(1).integers(0, 256, (height + 8, width + FRAMES, 3), np.uint8)
    for n in range(FRAMES):
        yield np.ascontiguousarray(drawn[n // 4 : n // 4 + height, n : n + width])


def write_pictures(clip: Path, path: Path) -> None:
    """The clip's pictures as they leave a decoder: in its order, of its size."""
    with av.open(str(clip)) as container:
        order = [packet.pts for packet in container.demux(video=0) if packet.size]
    with av.open(str(clip)) as container, path.open("wb") as file:
        pictures = {frame.pts: frame for frame in container.decode(video=0)}
        context = container.streams.video[0].codec_context
        for pts in order:
            bits = pictures[pts].format.components[0].bits
            sample = 1 if bits == 8 else 2
            for number, plane in enumerate(
                pictures[pts].reformat(format="nv12" if bits == 8 else "p010le").planes
            ):
                rows = np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)
                coded = np.zeros(
                    (context.coded_height // (1 + number), context.coded_width * sample), np.uint8
                )
                coded[: plane.height, : SIZE[0] * sample] = rows[:, : SIZE[0] * sample]
                file.write(coded.tobytes())


def settings(libraries: Path, folder: Path, does: str) -> dict[str, str]:
    return {
        "LD_LIBRARY_PATH": f"{libraries}:{os.environ.get('LD_LIBRARY_PATH', '')}",
        "FAKE_NVDEC_PICTURES": str(folder / "pictures"),
        "FAKE_NVDEC_LOG": str(folder / "log"),
        "FAKE_NVDEC_DOES": does,
    }


def noted(folder: Path) -> Counter[str]:
    log = folder / "log"
    return Counter(log.read_text().splitlines() if log.exists() else [])


def read(
    libraries: Path, clip: Path, decoder: str, does: str = "", openings: int = 1, every: int = 1
) -> tuple[list[dict[str, Any]], str]:
    """What each opening gave, and what was logged."""
    done = subprocess.run(
        [sys.executable, "-c", READER, str(clip), decoder, str(openings), str(every)],
        env={**environment(), **settings(libraries, clip.parent, does)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    clip = write_video(tmp_path / "a.mp4", texture())
    write_pictures(clip, tmp_path / "pictures")
    return clip


@pytest.mark.parametrize(
    ("codec", "pixels"),
    [
        ("libx264", "yuv420p"),
        ("libx264", "yuvj420p"),
        ("libx264", "yuv420p10le"),
        ("libx265", "yuv420p"),
        ("libx265", "yuv420p10le"),
    ],
)
def test_pictures_are_the_cpus_byte_for_byte(
    libraries: Path, tmp_path: Path, codec: str, pixels: str
) -> None:
    clip = write_video(tmp_path / "a.mp4", texture(), codec=codec, pixels=pixels)
    write_pictures(clip, tmp_path / "pictures")
    wanted, _ = read(libraries, clip, "cpu")
    assert not noted(tmp_path)
    got, said = read(libraries, clip, "cuda")
    assert got == wanted
    assert len(got[0]["frames"]) == FRAMES
    assert len({digest for *_, digest, _ in got[0]["frames"]}) == FRAMES
    assert noted(tmp_path)["a decoder"] == 1
    assert noted(tmp_path)["a plane comes down"] == 2 * FRAMES
    assert said == ""


def test_what_is_not_looked_at_stays_on_the_gpu(libraries: Path, clip: Path) -> None:
    got, _ = read(libraries, clip, "cuda", every=5)
    assert len(got[0]["frames"]) == FRAMES
    assert noted(clip.parent)["a plane comes down"] == 2 * FRAMES / 5


def test_codecs_that_decoders_round_as_they_like_stay_on_the_cpu(
    libraries: Path, tmp_path: Path
) -> None:
    clip = write_video(tmp_path / "a.avi", texture(), codec="mjpeg")
    got, said = read(libraries, clip, "cuda", openings=3)
    assert got == read(libraries, clip, "cpu", openings=3)[0]
    assert got[0]["codec"] == "mjpeg"
    assert noted(tmp_path)["a decoder"] == 0
    assert said.count("is in mjpeg, which a GPU may decode to other pictures; the CPU decodes") == 1


@pytest.mark.parametrize(
    ("does", "sentence"),
    [
        ("absent", "what a GPU was to decode the CPU does: FFmpeg reaches no NVIDIA GPU"),
        ("small", "a.mp4 is decoded on the CPU: the GPU doesn't decode h264 of this profile"),
    ],
)
def test_what_the_gpu_does_not_decode_the_cpu_does_and_it_is_said(
    libraries: Path, clip: Path, does: str, sentence: str
) -> None:
    got, said = read(libraries, clip, "cuda", does, openings=3)
    assert got == read(libraries, clip, "cpu", openings=3)[0]
    assert said.count("\n") == 1  # once, not at each opening
    assert sentence in said
    assert "look at nvidia-smi" in said
    assert noted(clip.parent)["a plane comes down"] == 0


def test_a_context_that_others_opened_is_not_shared(libraries: Path, clip: Path) -> None:
    got, said = read(libraries, clip, "cuda", "taken")
    assert got == read(libraries, clip, "cpu")[0]
    assert noted(clip.parent)["a context of its own"] >= 1
    assert said == ""


def test_a_full_gpu_is_given_up_for_the_cpu(libraries: Path, clip: Path) -> None:
    (first, second), _ = read(libraries, clip, "cuda", "full", openings=2)
    assert first["error"].startswith(f"the GPU decodes nothing of {clip} (its memory may be full);")
    assert [second] == read(libraries, clip, "cpu")[0]


def test_where_no_more_contexts_fit_the_cpu_decodes_at_once(libraries: Path, clip: Path) -> None:
    got, said = read(libraries, clip, "cuda", "taken contexts=1", openings=2)
    assert got == read(libraries, clip, "cpu", openings=2)[0]
    assert said.count("\n") == 1
    assert "too little of its memory is free" in said


def test_what_is_cropped_at_its_left_or_top_is_given_up_for_the_cpu(
    libraries: Path, clip: Path
) -> None:
    cropped = clip.with_suffix(".mkv")
    with av.open(str(clip)) as source, av.open(str(cropped), "w") as target:
        stream = source.streams.video[0]
        copy = target.add_stream_from_template(stream)
        crop = BitStreamFilterContext("h264_metadata=crop_left=32:crop_top=16", stream, copy)
        for packet in source.demux(stream):
            for each in crop.filter(packet):
                if each.dts is not None:
                    each.stream = copy
                    target.mux(each)
    (first, second), _ = read(libraries, cropped, "cuda", openings=2)
    assert first["error"].startswith(f"{cropped} is cropped, and a GPU's picture of it would not")
    assert [second] == read(libraries, cropped, "cpu")[0]


def test_a_picture_that_fails_is_counted_and_passed_over(libraries: Path, clip: Path) -> None:
    got, _ = read(libraries, clip, "cuda", "stutter=5")
    frames = got[0]["frames"]
    assert len(frames) == FRAMES - 1
    assert sum(lost.get("corrupt", 0) for *_, lost in frames) == 1


def watch(clip: Path, cameras: int) -> list[StatusChange]:
    """A capture process has each of the cameras to its first sample."""
    process = CaptureProcess(0, replace(BEGIN, decoder="cuda"), wants_flow=lambda: True)
    process.start()
    changes: list[StatusChange] = []
    queues = [SampleQueue(1000, live=True, waits_s=1e6) for _ in range(cameras)]
    try:
        for key, queue in enumerate(queues):
            RemoteCapture(
                CameraConfig(name=f"cam{key}", url=str(clip), realtime=True),
                key=key,
                host=process,
                queue=queue,
                on_status=changes.append,
                epoch=0,
                open_sight=lambda: None,
                packets=None,
            ).start()
        for queue in queues:
            assert queue.get(30) is not None
    finally:
        process.stop()
        process.close(time.monotonic() + 5)
    return changes


def test_the_cameras_of_a_capture_process_share_its_context(
    libraries: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key, value in settings(libraries, clip.parent, "").items():
        monkeypatch.setenv(key, value)
    changes = watch(clip, 3)
    assert [each.detail for each in changes if each.state == "offline"] == []
    assert noted(clip.parent)["a decoder"] == 3
    assert noted(clip.parent)["a context of its own"] == 0
    assert noted(clip.parent)["a plane comes down"] >= 6


def test_what_a_capture_process_warns_of_is_in_the_daemons_log_as_it_stands(
    libraries: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clip = write_video(tmp_path / "a.avi", texture(), codec="mjpeg")
    for key, value in settings(libraries, tmp_path, "").items():
        monkeypatch.setenv(key, value)
    watch(clip, 1)
    assert [each for each in caplog.messages if "mjpeg" in each] == [
        f"{clip} is in mjpeg, which a GPU may decode to other pictures; the CPU decodes it"
    ]
