"""From files to a store: the stream's own grid and flow; resumable; damaged clips are named."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from engine.flow.open import open_flow
from engine.flow.quantise import ZERO, quantise
from engine.preprocess import grey
from tests.training.data.clips import write_clip, write_clip_of_changing_size
from training.data.annotations import Clip, read_folder
from training.data.decode import decode_ticks
from training.data.frame_store import FrameStore, StoredClip
from training.data.preparation import Preparation, PreparedFlow
from training.data.prepare import prepare, prepare_clip
from training.errors import DataError
from training.progress import Progress

DIS = PreparedFlow(parameters={"preset": "medium"})
TVL1 = PreparedFlow(parameters={"scales": 2, "warps": 1}, bound_px=6.0)
WRONG = ("one", "size", "cut", "text", "empty", "hole")
SMALL = Preparation(size=(64, 48), flows={"dis": DIS})
BOTH = Preparation(size=(64, 48), flows={"dis": DIS, "tvl1": TVL1})


def _prepared(folder: Path, video: Path, preparation: Preparation = SMALL) -> StoredClip:
    clip, store = Clip(video, "walk"), FrameStore(folder / "store", preparation)
    prepare_clip(clip, store)
    return store.open(clip)


def _pair(clip: StoredClip, tick: int) -> np.ndarray:
    """The flow pair that ends at a tick: the last of its stack."""
    return clip.stacks_at([tick])[0, -2:]


def test_a_clip_becomes_grid_frames_and_the_flow_between_them(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", frames=6)
    decoded = [frame for frame, _ in decode_ticks(tmp_path / "a.mp4", BOTH)]
    clip = _prepared(tmp_path, tmp_path / "a.mp4", BOTH)
    assert (clip.ticks, clip.size, clip.flow_name) == (6, (64, 48), "dis")
    assert (_pair(clip, 0) == ZERO).all()
    # Of the frames as they were decoded, before they became JPEG, as in a stream.
    for name, flow in (("dis", DIS), ("tvl1", TVL1)):
        estimator = open_flow(name, flow.parameters)
        moved = estimator.estimate(grey(decoded[3]), grey(decoded[4]))
        expected = quantise(moved, flow.bound_px)
        np.testing.assert_array_equal(_pair(clip.with_flow(name), 4), expected)
    assert _pair(clip, 4)[0, 20:28].max() > 128 + 127 * 3 / 12  # the square goes right by 4 px


def test_flow_may_be_of_a_smaller_picture(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", frames=6)
    half = Preparation(size=(64, 48), flows={"dis": DIS}, flow_downsampling=2)
    decoded = [frame for frame, _ in decode_ticks(tmp_path / "a.mp4", half)]
    clip = _prepared(tmp_path, tmp_path / "a.mp4", half)
    assert (clip.size, clip.flow_downsampling) == ((64, 48), 2)
    moved = open_flow("dis", DIS.parameters).estimate(grey(decoded[3], 2), grey(decoded[4], 2))
    np.testing.assert_array_equal(_pair(clip, 4), quantise(moved, DIS.bound_px))


def test_frames_are_kept_without_visible_loss(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", frames=6)
    decoded = np.stack([frame for frame, _ in decode_ticks(tmp_path / "a.mp4", SMALL)])
    found = _prepared(tmp_path, tmp_path / "a.mp4").frames_at(range(6))
    mean_square = np.mean((found.astype(float) - decoded) ** 2)
    assert 10 * np.log10(255**2 / mean_square) > 38  # dB; noise is the worst case


def test_a_tick_without_a_frame_repeats_the_one_before_with_zero_flow(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", frames=8, skip=frozenset({3}))
    clip = _prepared(tmp_path, tmp_path / "a.mp4")
    assert clip.ticks == 8
    frames = clip.frames_at([2, 3])
    np.testing.assert_array_equal(frames[0], frames[1])
    assert (_pair(clip, 3) == ZERO).all()
    assert (_pair(clip, 4) != ZERO).any()  # from tick 2's frame to tick 4's


def test_a_native_rate_keeps_a_files_own_frames(tmp_path: Path) -> None:
    write_clip(tmp_path / "a.mp4", frames=8, skip=frozenset({3}))
    native = Preparation(size=(64, 48), grid_fps="native")
    clip = _prepared(tmp_path, tmp_path / "a.mp4", native)
    assert clip.ticks == 7
    assert (_pair(clip, 3) != ZERO).any()


def _filled(store: FrameStore, clip: Clip, frames: np.ndarray, flow: np.ndarray) -> None:
    with store.writing(clip, ("frames", "dis")) as add:
        for frame, pair in zip(frames, flow, strict=True):
            add["frames"](frame)
            add["dis"](pair)


def test_the_store_gives_back_what_was_put_in_and_stacks_by_the_left_edge_rule(
    tmp_path: Path,
) -> None:
    clip = Clip(Path("walk/a.mp4"), "walk", ("run",))
    frames = np.full((12, 48, 64, 3), (200, 100, 50), np.uint8)
    frames[7] = (50, 100, 200)
    flow = np.empty((12, 2, 48, 64), np.uint8)
    flow[:] = np.arange(12).reshape(-1, 1, 1, 1)  # pair j is all j
    flow[0] = ZERO
    flow[5] = np.random.default_rng(0).integers(1, 256, (2, 48, 64))
    store = FrameStore(tmp_path, SMALL)
    assert clip not in store
    _filled(store, clip, frames, flow)
    assert clip in store
    found = FrameStore(tmp_path, SMALL).open(clip)
    assert (found.key, found.label, found.labels) == ("walk/a", "walk", ("walk", "run"))
    np.testing.assert_allclose(found.frames_at([7, 0, 7]), frames[[7, 0, 7]], atol=2)
    stacks = found.stacks_at([11, 3, 0])
    assert stacks.shape == (3, 20, 48, 64)
    assert stacks[0, [0, 2, 4, 8, 18], 0, 0].tolist() == [2, 3, 4, 6, 11]
    np.testing.assert_array_equal(stacks[0, 6:8], flow[5])
    assert stacks[1, 1::2, 0, 0].tolist() == [1, 1, 1, 1, 1, 1, 1, 1, 2, 3]
    assert (stacks[2] == ZERO).all()


def test_any_zip_reader_and_any_picture_reader_can_read_a_store(tmp_path: Path) -> None:
    clip = Clip(Path("walk/a.mp4"), "walk")
    flow = np.random.default_rng(0).integers(1, 256, (3, 2, 48, 64)).astype(np.uint8)
    _filled(FrameStore(tmp_path, SMALL), clip, np.zeros((3, 48, 64, 3), np.uint8), flow)
    with zipfile.ZipFile(tmp_path / "dis" / "walk" / "a.zip") as archive:
        assert archive.namelist() == ["000000.png", "000001.png", "000002.png"]
        picture = np.asarray(Image.open(io.BytesIO(archive.read("000002.png"))))
    np.testing.assert_array_equal(picture, np.concatenate(flow[2]))  # x above y


def test_another_preparation_is_refused_but_another_flow_is_welcome(tmp_path: Path) -> None:
    FrameStore(tmp_path, SMALL)
    FrameStore(tmp_path, BOTH)
    for other in (
        Preparation(size=(64, 40), flows={"dis": DIS}),
        Preparation(size=(64, 48), flows={"dis": PreparedFlow(bound_px=20.0)}),
        Preparation(size=(64, 48), flows={"dis": DIS}, grid_fps="native"),
    ):
        with pytest.raises(DataError, match="prepared with"):
            FrameStore(tmp_path, other)


def _run(clips: list[Clip], store: FrameStore, log: Path) -> list[str]:
    return prepare(clips, store, progress=Progress(log=log), workers=1)


def test_a_second_flow_is_added_without_touching_the_rest(tmp_path: Path) -> None:
    write_clip(tmp_path / "videos" / "walk" / "a.mp4", frames=4)
    (clip,) = read_folder(tmp_path / "videos")
    store, log = FrameStore(tmp_path / "store", SMALL), tmp_path / "log"
    assert _run([clip], store, log) == []
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "store").rglob("*.zip")}
    assert len(before) == 2
    more = FrameStore(tmp_path / "store", BOTH)
    assert more.missing(clip) == ("tvl1",)
    with pytest.raises(DataError, match="'tvl1'"):
        more.open(clip, "tvl1")
    with pytest.raises(DataError, match="'tvl1'"):
        more.open(clip).with_flow("tvl1")
    assert _run([clip], more, log) == []
    assert clip in more
    assert more.open(clip, "tvl1").flow_name == "tvl1"
    assert {path: path.stat().st_mtime_ns for path in before} == before


def test_where_the_gpu_cant_estimate_the_flow_it_is_said_and_done_on_the_cpu(
    tmp_path: Path,
) -> None:
    write_clip(tmp_path / "videos" / "walk" / "a.mp4", frames=4)
    (clip,) = read_folder(tmp_path / "videos")
    store, log = FrameStore(tmp_path / "store", BOTH), tmp_path / "log"
    # TVL1 asks for what no kernel has, so this holds with a GPU as well.
    progress = Progress(log=log)
    assert prepare([clip], store, progress=progress, workers=1, device="cuda") == []
    assert clip in store
    assert log.read_text().count("flow is estimated on the CPU: ") == 1


@pytest.fixture
def damaged(tmp_path: Path) -> Path:
    """A folder with one clip for each thing that can be wrong, and a good one."""
    videos = tmp_path / "videos" / "walk"
    write_clip(videos / "good.mp4")
    write_clip(videos / "one.mp4", frames=1)
    write_clip_of_changing_size(videos / "size.mp4")
    write_clip(videos / "whole.mp4", frames=60)
    (videos / "cut.mp4").write_bytes((videos / "whole.mp4").read_bytes()[:-600])
    (videos / "whole.mp4").unlink()
    (videos / "text.mp4").write_text("no video")
    (videos / "empty.mp4").touch()
    write_clip(videos / "hole.mp4", frames=1700, skip=frozenset(range(5, 1650)))
    return tmp_path / "videos"


def test_preparing_goes_on_where_it_stopped_and_names_damaged_clips(
    tmp_path: Path, damaged: Path
) -> None:
    store, log = FrameStore(tmp_path / "store", SMALL), tmp_path / "log"
    clips = read_folder(damaged)
    complaints = _run(clips, store, log)
    said = {name: next(c for c in complaints if f"{name}.mp4" in c) for name in WRONG}
    assert len(complaints) == len(WRONG)
    assert "one frame" in said["one"]
    assert "changes its size at frame 16, from 64x48 to 80x48 px" in said["size"]
    assert "leave out 60 s" in said["hole"]
    for name in ("cut", "text", "empty"):
        assert "can't be decoded" in said[name]
    good = next(clip for clip in clips if clip.path.stem == "good")
    assert (
        len(list((tmp_path / "store").rglob("*.zip")))
        == len(list((tmp_path / "store").rglob("good.zip")))
        == 2
    )
    assert not list((tmp_path / "store").rglob("*.part"))
    good.path.unlink()  # what is done isn't read again
    assert _run([good], store, log) == []
    with pytest.raises(DataError, match="None of the 1 clips"):
        _run([clips[0]], store, log)


def test_strict_preparing_stops_at_a_damaged_clip(tmp_path: Path, damaged: Path) -> None:
    store = FrameStore(tmp_path / "store", SMALL)
    with pytest.raises(DataError, match=r"cut\.mp4"):
        prepare(read_folder(damaged), store, progress=Progress(), workers=1, strict=True)


def test_an_interrupted_write_leaves_no_clip(tmp_path: Path) -> None:
    store = FrameStore(tmp_path, SMALL)
    clip = Clip(Path("walk/a.mp4"), "walk")

    def stopped() -> None:
        with store.writing(clip, ("frames", "dis")) as add:
            add["frames"](np.zeros((48, 64, 3), np.uint8))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    assert store.missing(clip) == ("frames", "dis")
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and "a." in path.name]
    with pytest.raises(DataError, match="prepare"):
        store.open(clip)


@pytest.mark.parametrize("damage", ["cut", "flipped"])
def test_a_damaged_file_is_named_when_it_is_read(tmp_path: Path, damage: str) -> None:
    store = FrameStore(tmp_path, SMALL)
    clip = Clip(Path("walk/a.mp4"), "walk")
    flow = np.full((3, 2, 48, 64), 128, np.uint8)
    _filled(store, clip, np.zeros((3, 48, 64, 3), np.uint8), flow)
    path = tmp_path / "dis" / "walk" / "a.zip"
    data = bytearray(path.read_bytes())
    data[60] ^= 0xFF
    path.write_bytes(data[:-40] if damage == "cut" else data)
    with pytest.raises(DataError, match=r"a\.zip can't be read"):
        store.open(clip).stacks_at([0])
