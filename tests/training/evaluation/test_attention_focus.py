"""Attention inside moving regions, on maps and flows made by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engine.flow.quantise import quantise
from training.data.frame_store import StoredClip
from training.evaluation.attention_focus import (
    attention_focus,
    attention_inside,
    camera_is_still,
    flow_length,
)
from training.progress import Progress

BOUND_PX = 12.0


def test_an_even_map_has_the_regions_share_of_the_area_inside() -> None:
    moving = np.zeros((1, 4, 4), bool)
    moving[0, 0, :3] = True  # 3 of 16 pixels, in two cells of four
    even = np.full((1, 2, 2), 0.25, np.float32)
    assert attention_inside(even, moving)[0] == pytest.approx(3 / 16)


def test_attention_is_spread_over_the_pixels_of_its_cell() -> None:
    moving = np.zeros((2, 4, 4), bool)
    moving[:, :2, :2] = True  # the whole first cell
    moving[:, 3, 3] = True  # a quarter of the last
    maps = np.array([[[1.0, 0.0], [0.0, 0.0]], [[0.2, 0.3], [0.1, 0.4]]], np.float32)
    np.testing.assert_allclose(attention_inside(maps, moving), [1.0, 0.2 + 0.4 / 4], rtol=1e-6)


def test_cells_need_not_be_whole_pixels() -> None:
    moving = np.zeros((1, 3, 3), bool)
    moving[0, 0, 0] = True  # in the first of four cells of 1.5 x 1.5 px
    attention = np.array([[[0.5, 0.3], [0.1, 0.1]]], np.float32)
    assert attention_inside(attention, moving)[0] == pytest.approx(0.5 / 2.25)


def test_the_length_is_that_of_the_newest_flow() -> None:
    stacks = np.full((1, 20, 1, 1), 255, np.uint8)  # older pairs move fast
    stacks[0, 18:] = quantise(np.array([[[3.0]], [[-4.0]]], np.float32), BOUND_PX)
    assert flow_length(stacks, BOUND_PX)[0, 0, 0] == pytest.approx(5.0, abs=0.1)


def test_a_camera_is_still_where_most_of_most_frames_stands() -> None:
    length = np.zeros((3, 4, 4), np.float32)
    length[:, :1] = 5.0  # a quarter of each frame moves
    assert camera_is_still(length)
    length[0] = 5.0  # one shaken frame of three
    assert camera_is_still(length)
    length[1] = 5.0
    assert not camera_is_still(length)


class Looks(nn.Module):
    """Stands in for a stream: its attention is a given map for every image."""

    device = torch.device("cpu")

    def __init__(self, attention: list[list[float]]) -> None:
        super().__init__()
        self.attention = torch.tensor(attention)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return torch.zeros(len(images), 1), self.attention.expand(len(images), -1, -1)


def clip(name: str, *, walks: bool, pans: bool) -> StoredClip:
    """8 ticks of 64x64; a walker fills the upper left sixteenth."""
    flow = np.zeros((2, 64, 64), np.float32)
    if walks:
        flow[0, :16, :16] = 4.0
    if pans:
        flow += 2.0
    pairs = np.stack([quantise(flow, BOUND_PX)] * 8)
    return StoredClip(name, "walk", name, np.zeros((8, 64, 64, 3), np.uint8), pairs)


def test_only_still_cameras_with_something_moving_count() -> None:
    clips = [
        clip("a", walks=True, pans=False),
        clip("b", walks=False, pans=False),
        clip("c", walks=True, pans=True),
    ]
    report = attention_focus(
        {"rgb": Looks([[0.5, 0.5], [0.0, 0.0]]), "flow": Looks([[0.0, 0.0], [0.5, 0.5]])},  # type: ignore[dict-item]
        clips,
        side=64,
        bound_px=BOUND_PX,
        progress=Progress(),
    )
    assert (report["clips"], report["still_camera"], report["used"]) == (3, 2, 1)
    assert report["frames"] == 30
    rgb, flow = report["streams"]["rgb"], report["streams"]["flow"]
    # The walker covers a quarter of the first cell: 1/16 of the area, 0.5/4 of the attention.
    assert rgb["area"] == pytest.approx(1 / 16)
    assert rgb["inside"] == pytest.approx(1 / 8)
    assert rgb["focus"] == pytest.approx(2.0)
    assert rgb["clips_above"] == 1
    assert (flow["focus"], flow["clips_above"]) == (0.0, 0)


def test_no_clip_that_fits_gives_counts_and_no_numbers() -> None:
    report = attention_focus(
        {"rgb": Looks([[1.0]])},  # type: ignore[dict-item]
        [clip("b", walks=False, pans=False)],
        side=64,
        bound_px=BOUND_PX,
        progress=Progress(),
    )
    assert report["used"] == 0
    assert report["streams"] == {}
