"""What is launched, before anything is: no GPU and no compiler needed."""

import cv2
import numpy as np
import pytest

from engine.cuda.launch import Buffer
from engine.errors import FlowMismatch
from engine.flow.tvl1_plan import TvL1Plan
from engine.flow.tvl1_settings import TvL1Settings
from tests.engine.flow.pictures import PORTABLE


def plan(height=256, width=340, pairs=1, **changes):
    parameters = {key: changes.pop(key) for key in list(changes) if key in ("scales", "scale_step")}
    parameters |= {key: changes.pop(key) for key in list(changes) if key.endswith("_iterations")}
    if fused := parameters.pop("fused_iterations", None):
        changes["fused_iterations"] = fused
    return TvL1Plan(TvL1Settings.of({**PORTABLE, **parameters}), height, width, pairs, **changes)


@pytest.mark.parametrize(("height", "width"), [(256, 340), (61, 83), (45, 333), (16, 16)])
@pytest.mark.parametrize("scale_step", [0.8, 0.5])
def test_the_pyramid_has_opencvs_sizes(height, width, scale_step):
    picture = np.zeros((height, width), np.float32)
    expected = [picture.shape]
    for _ in range(4):
        picture = cv2.resize(picture, None, fx=scale_step, fy=scale_step)
        if min(picture.shape) < 16:
            break
        expected.append(picture.shape)
    assert list(plan(height, width, scale_step=scale_step).levels) == expected


def test_five_levels_of_the_usual_picture():
    # 87,040 + 55,760 + 35,752 + 22,794 + 14,595
    assert sum(height * width for height, width in plan().levels) == 215_941


def test_what_runs_is_fixed_by_the_size():
    kernels = [launch.kernel for launch in plan().launches]
    assert kernels == [launch.kernel for launch in plan(pairs=64).launches]
    level = ["differentiate", *["linearise", *["iterate_fp32"] * 3] * 5]
    assert kernels == [
        "widen",
        *["shrink"] * 4,
        *level,
        *["enlarge", *level] * 4,
        "separate",
    ]


@pytest.mark.parametrize("fused", [1, 4, 5, 7, 20])
def test_every_iteration_is_run_in_even_shares(fused):
    launches = [each for each in plan(fused_iterations=fused).launches if "iterate" in each.kernel]
    shares = [int(each.arguments[7]) for each in launches]
    assert sum(shares) == 15 * 5 * 5
    assert max(shares) <= fused
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize(("height", "width"), [(256, 340), (54, 55), (16, 109)])
@pytest.mark.parametrize("block", [(16, 32), (8, 16)])
def test_regions_without_their_margins_cover_the_picture(height, width, block):
    for launch in plan(height, width, pairs=3, region_block=block).launches:
        if not launch.kernel.startswith("iterate"):
            continue
        level_width, level_height, iterations = (int(each) for each in launch.arguments[5:8])
        across, down = 4 * block[0] - 2 * iterations, 2 * block[1] - 2 * iterations
        assert (launch.grid[0] - 1) * across < level_width <= launch.grid[0] * across
        assert (launch.grid[1] - 1) * down < level_height <= launch.grid[1] * down
        assert launch.grid[2] == 3


def test_no_kernel_writes_what_it_reads():
    for launch in plan().launches:
        if launch.kernel.startswith("iterate"):
            read, written = launch.arguments[:3], launch.arguments[3:5]
        elif launch.kernel == "enlarge":
            read, written = launch.arguments[:1], launch.arguments[3:4]
        else:
            continue
        assert not set(read) & set(written)


def test_the_first_iterations_of_a_level_start_from_no_dual_variables_at_all():
    starts = [each for each in plan().launches if "iterate" in each.kernel][:: 3 * 5]
    assert [each.arguments[2] for each in starts] == [None] * 5
    # Nor from any flow, at the coarsest.
    assert [each.arguments[1] is None for each in starts] == [True] + [False] * 4


def test_buffers_hold_what_the_launches_name():
    for storage, dual_bytes in (("fp32", 16), ("fp16", 8)):
        made = plan(pairs=2, storage=storage)
        named = {a.name for each in made.launches for a in each.arguments if isinstance(a, Buffer)}
        assert named == set(made.buffers)
        assert made.buffers["flow"] == 2 * 2 * 256 * 340 * 4
        assert made.buffers["p0"] == 2 * 256 * 340 * dual_bytes


def test_a_block_fits_every_gpu():
    for launch in plan().launches:
        assert np.prod(launch.block) <= 512
        assert launch.shared_bytes <= 48 * 1024  # what needs no leave of the driver


@pytest.mark.parametrize("changed", [{"epsilon": 0.01}, {"median_filtering": 5}])
def test_another_flow_than_opencvs_is_refused(changed):
    with pytest.raises(FlowMismatch, match="must say epsilon = 0 and median_filtering = 1"):
        TvL1Plan(TvL1Settings.of({**PORTABLE, **changed}), 64, 64, 1)


def test_too_small_a_picture_is_refused():
    with pytest.raises(FlowMismatch, match="40x15 are too small"):
        plan(height=15, width=40)
