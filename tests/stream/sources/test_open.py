from __future__ import annotations

import os
from pathlib import Path

import pytest

from stream.errors import Reason, SourceError
from stream.sources.file import FileSource
from stream.sources.network import NetworkSource
from stream.sources.open import is_file, open_source
from stream.sources.scene import SceneSource
from stream.sources.source import SourceOptions
from stream.sources.webcam import WebcamSource


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("rtsp://host/1", NetworkSource),
        ("RTSPS://host/1", NetworkSource),
        ("http://host/mjpeg", NetworkSource),
        ("https://host/list.m3u8", NetworkSource),
        ("/dev/video0", WebcamSource),
        ("webcam:2", WebcamSource),
        ("/dev/v4l/by-id/usb-046d_HD_Webcam-video-index0", WebcamSource),
        ("scene:?seed=3&size=96x64", SceneSource),
        ("clip.mp4", FileSource),
        ("file:///tmp/clip.mp4", FileSource),
        ("folder/a:b.mp4", FileSource),
    ],
)
def test_the_url_picks_the_source(url: str, kind: type) -> None:
    assert type(open_source(url)) is kind
    assert is_file(url) == (kind is FileSource)


def test_an_unknown_scheme_is_refused_masked() -> None:
    with pytest.raises(SourceError, match=r"rtmp://u:\*\*\*@host/x can't be opened") as refused:
        open_source("rtmp://u:secret@host/x")
    assert refused.value.reason is Reason.NOT_FOUND


def test_a_webcam_that_is_not_there() -> None:
    with pytest.raises(SourceError, match="there is no device /dev/video97") as refused:
        open_source("webcam:97").open()
    assert refused.value.reason is Reason.NOT_FOUND


def test_a_webcam_without_permission(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    device = tmp_path / "video0"
    device.touch()
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(SourceError, match=r"no permission for .*group") as refused:
        WebcamSource(str(device), SourceOptions()).open()
    assert refused.value.reason is Reason.PERMISSION


def test_a_device_that_is_no_webcam(tmp_path: Path) -> None:
    device = tmp_path / "video0"
    device.write_bytes(b"no camera")
    with pytest.raises(SourceError, match="is no camera") as refused:
        WebcamSource(str(device), SourceOptions()).open()
    assert str(device) in str(refused.value)
    assert refused.value.reason is Reason.NOT_FOUND
