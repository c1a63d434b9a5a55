"""Videos decoded by the GPU's own unit: the CPU's pictures, byte for byte."""

import logging

import numpy as np
import pytest

pytest.importorskip("av", reason="PyAV is not here: videos are not decoded")

from stream.sources import nvdec
from stream.sources.file import FileSource
from stream.sources.source import SourceOptions
from tests.stream.synthetic import picture, write_video

pytestmark = pytest.mark.gpu

FRAMES = 40


def read(path, decoder):
    source = FileSource(str(path), SourceOptions(decoder=decoder))
    source.open()
    try:
        return [(frame.pts_ns, frame.image()) for frame in source.frames()]
    finally:
        source.close()


@pytest.mark.parametrize("size", [(640, 480), (322, 182), (1920, 1080)])
@pytest.mark.parametrize(("codec", "pixels"), [("libx264", "yuv420p"), ("libx265", "yuv420p10le")])
def test_pictures_are_the_cpus(gpu, caplog, tmp_path, size, codec, pixels):
    video = write_video(
        tmp_path / "a.mp4",
        (picture(tick, size) for tick in range(FRAMES)),
        codec=codec,
        pixels=pixels,
    )
    with caplog.at_level(logging.WARNING, "stream.sources.nvdec"):
        got = read(video, "cuda")
    if nvdec.accelerator(str(video)) is None:  # the CPU has decoded it, which shows nothing
        pytest.skip(caplog.messages[0] if caplog.messages else "FFmpeg reaches no NVIDIA GPU")
    wanted = read(video, "cpu")
    assert len(got) == FRAMES
    for (at_ns, image), (wanted_ns, other) in zip(got, wanted, strict=True):
        assert at_ns == wanted_ns
        np.testing.assert_array_equal(image, other)
