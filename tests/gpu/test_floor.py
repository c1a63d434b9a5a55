"""The counts of work beside which the GPU is measured; they need none."""

import pytest

from engine.flow.tvl1_plan import TvL1Plan
from engine.flow.tvl1_settings import TvL1Settings
from tests.engine.flow.pictures import PORTABLE
from tests.gpu.floor import ITERATION_FLOP, WARP_FLOP, work


def counted(height, width, iterations, **changes):
    one = {"scales": 1, "warps": 1, "inner_iterations": iterations}
    settings = TvL1Settings.of({**PORTABLE, **one})
    plan = TvL1Plan(settings, height, width, 1, region_block=(16, 32), **changes)
    return work(plan)


def test_one_region():
    found = counted(54, 54, 5)  # 64x64 with a margin of 5: just one
    assert found.useful_flop == 54 * 54 * (5 * ITERATION_FLOP + WARP_FLOP)
    assert found.done_flop == 64 * 64 * 5 * ITERATION_FLOP + 54 * 54 * WARP_FLOP
    # A warp's 44; data 16, u 8 and p 16 in; u 8 and p 16 out.
    assert found.useful_bytes == found.done_bytes == 54 * 54 * (44 + 40 + 24)


def test_two_regions_read_what_both_need_twice():
    found = counted(54, 55, 5)
    # Columns 0 to 58 (there are 55) and 49 to 54.
    assert found.done_bytes - found.useful_bytes == 54 * 6 * 40


def test_half_storage_moves_less():
    whole, half = counted(64, 64, 5), counted(64, 64, 5, storage="fp16")
    assert whole.useful_bytes - half.useful_bytes == 64 * 64 * 16
    assert whole.useful_flop == half.useful_flop


def test_the_floor_of_the_usual_picture():
    # 215,941 pixels in five levels, five warps of 15 iterations.
    found = work(TvL1Plan(TvL1Settings.of(PORTABLE), 256, 340, 1))
    assert found.useful_flop == 215_941 * 5 * (15 * ITERATION_FLOP + WARP_FLOP)
    assert found.useful_bytes == 215_941 * 5 * (44 + 3 * 64)  # three launches a warp
    # An H200's 67 TFLOP/s and 4.8 TB/s: 14 and 53 microseconds.
    assert found.floor_us(67e12, 4.8e12) == pytest.approx((14.0, 53.1), abs=0.1)
