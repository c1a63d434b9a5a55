"""From files to a store: the stream's own grid and flow; resumable; damaged clips are named."""

from pathlib import Path

import numpy as np
import pytest

from engine.flow.estimator import open_flow
from engine.flow.quantise import ZERO, quantise
from engine.preprocess import grey
from tests.training.data.clips import write_clip
from training.data.annotations import Clip, read_folder
from training.data.decode import prepare_clip
from training.data.frame_store import FrameStore, Preparation
from training.data.prepare import prepare
from training.errors import DataError
from training.progress import Progress

SMALL = Preparation(size=(64, 48))


def test_a_clip_becomes_grid_frames_and_the_flow_between_them(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", frames=6)
    frames, flow = prepare_clip(tmp_path / "a.mp4", SMALL)
    assert frames.shape == (6, 48, 64, 3)
    assert flow.shape == (6, 2, 48, 64)
    assert (flow[0] == ZERO).all()
    estimator = open_flow("dis", {"preset": "medium"})
    expected = quantise(estimator.estimate(grey(frames[3]), grey(frames[4])), 12.0)
    np.testing.assert_array_equal(flow[4], expected)
    assert flow[4, 0, 20:28].max() > 128 + 127 * 3 / 12  # the square goes right by 4 px


def test_a_tick_without_a_frame_repeats_the_one_before_with_zero_flow(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", frames=8, skip=frozenset({3}))
    frames, flow = prepare_clip(tmp_path / "a.mp4", SMALL)
    assert len(frames) == 8
    np.testing.assert_array_equal(frames[3], frames[2])
    assert (flow[3] == ZERO).all()
    assert (flow[4] != ZERO).any()  # from tick 2's frame to tick 4's


def test_the_store_gives_back_what_was_put_in_and_stacks_by_the_left_edge_rule(
    tmp_path: Path,
) -> None:
    clip = Clip(Path("walk/a.mp4"), "walk")
    frames = np.random.default_rng(0).integers(0, 256, (12, 48, 64, 3)).astype(np.uint8)
    flow = np.empty((12, 2, 48, 64), np.uint8)
    flow[:] = np.arange(12).reshape(-1, 1, 1, 1)  # pair j is all j
    flow[0] = ZERO
    store = FrameStore(tmp_path, SMALL)
    assert clip not in store
    store.write(clip, frames, flow)
    assert clip in store
    found = FrameStore(tmp_path, SMALL).open(clip)
    np.testing.assert_array_equal(found.frames, frames)
    np.testing.assert_array_equal(found.flow, flow)
    assert found.stack(11)[::2, 0, 0].tolist() == [2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
    assert found.stack(3)[1::2, 0, 0].tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 2, 3]
    assert (found.stack(0) == ZERO).all()


def test_a_store_of_another_preparation_is_refused(tmp_path: Path) -> None:
    FrameStore(tmp_path, SMALL)
    with pytest.raises(DataError, match="prepared with"):
        FrameStore(tmp_path, Preparation(size=(64, 48), bound_px=20.0))


def test_preparing_goes_on_where_it_stopped_and_names_damaged_clips(tmp_path: Path) -> None:
    videos, log = tmp_path / "videos", tmp_path / "log"
    write_clip(videos / "walk" / "good.mp4")
    (videos / "walk" / "text.mp4").write_text("no video")
    (videos / "walk" / "empty.mp4").touch()
    store = FrameStore(tmp_path / "store", SMALL)
    clips = read_folder(videos)
    complaints = prepare(clips, store, progress=Progress(log=log), workers=1)
    assert len(complaints) == 2
    assert "empty.mp4" in complaints[0]
    assert "text.mp4" in complaints[1]
    good = next(clip for clip in clips if clip.path.stem == "good")
    assert good in store
    assert prepare([good], store, progress=Progress(log=log), workers=1) == []
    with pytest.raises(DataError, match="None of the 1 clips"):
        prepare([clips[0]], store, progress=Progress(log=log), workers=1)


def test_an_interrupted_write_leaves_no_clip(tmp_path: Path) -> None:
    store = FrameStore(tmp_path, SMALL)
    clip = Clip(Path("walk/a.mp4"), "walk")
    (tmp_path / "walk").mkdir()
    (tmp_path / "walk" / "a.frames.part").write_bytes(b"half")
    assert clip not in store
    with pytest.raises(DataError, match="prepare"):
        store.open(clip)
