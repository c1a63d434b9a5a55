"""The CUDA kernels of TV-L1, compiled for the CPU, against NumPy.

Kernel by kernel the differences are those of rounding. Over a whole pyramid rounding grows: NumPy
against itself, with tau changed in its last digit, differs as much.
"""

import numpy as np
import pytest

from engine.flow.tvl1_cuda import SOURCE, TvL1Batch
from engine.flow.tvl1_plan import TvL1Plan
from engine.flow.tvl1_settings import TvL1Settings
from tests.engine.flow import tvl1_numpy as reference
from tests.engine.flow.host_device import ORDERS, HostDevice, build
from tests.engine.flow.pictures import PORTABLE, end_point_error_px, moving

SETTINGS = TvL1Settings.of(PORTABLE)
NUMPY = reference.Parameters(**PORTABLE)

# Neither multiples of a region (54 px) nor of a block (32x8), and one that is smaller than both.
SIZES = [(61, 83), (109, 54), (16, 17)]


def on_host(library, plan, pairs, order="forward"):
    """The whole plan's flow [pairs,2,H,W] of (previous, current) pictures."""
    device = HostDevice(library, order)
    flow = np.empty((plan.pairs, 2, plan.height, plan.width), np.float32)
    with device.current():
        batch = TvL1Batch(plan, device)
        for name, pictures in zip(("previous", "current"), zip(*pairs, strict=True), strict=True):
            device.upload(batch.memory[name], np.stack(pictures), [])
        batch.enqueue([])
        device.download(flow, batch.memory["flow"], [])
    return flow


def one_launch(library, launch, **arrays):
    """Run one launch on these arrays by their buffers' names; they are written in place."""
    device = HostDevice(library)
    with device.current():
        device.bind(launch, {name: array.ctypes.data for name, array in arrays.items()})([])


def launches(plan, kernel):
    return [each for each in plan.launches if each.kernel.startswith(kernel)]


def pairs_of(count, height, width):
    return [moving(height, width, seed) for seed in range(count)]


def level_zero(count, height, width, seed=0):
    """What the iterations of a level work on: pictures, flow and dual variables."""
    random = np.random.default_rng(seed)
    pictures = np.stack(pairs_of(count, height, width), axis=1).astype(np.float32)
    u = random.normal(0, 2, (count, 2, height, width)).astype(np.float32)
    p = random.uniform(-0.7, 0.7, (count, 2, 2, height, width)).astype(np.float32)
    p[:, :, 0, :, -1] = p[:, :, 1, -1] = 0
    return pictures, u, p


def interleaved(fields):
    """[pairs,...,H,W] -> [pairs,H,W,...]: as the kernels store fields."""
    return np.ascontiguousarray(
        fields.reshape(len(fields), -1, *fields.shape[-2:]).swapaxes(1, 2).swapaxes(2, 3)
    )


@pytest.mark.parametrize("step", [0.8, 0.5, 0.63])
def test_the_pyramid(library, step):
    plan = TvL1Plan(TvL1Settings.of({**PORTABLE, "scale_step": step}), 61, 83, pairs=3)
    pairs = np.stack(pairs_of(3, 61, 83), axis=1)
    buffers = {name: np.empty(size, np.uint8) for name, size in plan.buffers.items()}
    buffers["previous"], buffers["current"] = pairs
    for launch in (*launches(plan, "widen"), *launches(plan, "shrink")):
        one_launch(library, launch, **buffers)
    expected = pairs.astype(np.float32)
    for level, (height, width) in enumerate(plan.levels):
        if level:
            expected = np.array([[reference.shrink(p, step) for p in each] for each in expected])
        found = buffers[f"pictures{level}"].view(np.float32).reshape(2, 3, height, width)
        assert found == pytest.approx(expected, abs=2e-3)


def test_enlarging_makes_motion_longer(library):
    plan = TvL1Plan(SETTINGS, 61, 83, pairs=2)
    launch = launches(plan, "enlarge")[-1]
    source, target = launch.arguments[0].name, launch.arguments[3].name
    u = np.random.default_rng(0).normal(0, 2, (2, 2, *plan.levels[1])).astype(np.float32)
    found = np.empty((2, 61, 83, 2), np.float32)
    one_launch(library, launch, **{source: interleaved(u), target: found})
    expected = np.array([[reference.resize(x, 61, 83) for x in each] for each in u]) / 0.8
    assert found == pytest.approx(interleaved(expected), abs=1e-3)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_the_warp(library, height, width):
    (I0, I1), u, _ = level_zero(3, height, width)
    u[:, :, 3, 4] = 1000  # far outside, where the warped picture is zero
    plan = TvL1Plan(TvL1Settings.of({**PORTABLE, "scales": 1}), height, width, pairs=3)
    slopes, data = (np.empty((3, height, width, 4), np.float32) for _ in range(2))
    arrays = {"pictures0": np.stack([I0, I1]), "slopes": slopes, "data": data}
    one_launch(library, launches(plan, "differentiate")[0], **arrays)
    for n in range(3):
        dx, dy = reference.centred_gradient(I1[n])
        assert np.array_equal(slopes[n, :, :, :3], np.stack([I1[n], dx, dy], axis=-1))
        first, second = launches(plan, "linearise")[:2]
        for launch, flow in ((first, np.zeros_like(u)), (second, u)):
            target = {} if launch is first else {launch.arguments[2].name: interleaved(u)}
            one_launch(library, launch, **arrays, **target)
            grad, squared, rho_c = reference.linearise(I0[n], I1[n], dx, dy, flow[n])
            assert data[n, :, :, :2] == pytest.approx(grad.transpose(1, 2, 0), abs=2e-3)
            assert data[n, :, :, 2] == pytest.approx(rho_c, abs=0.02)
            flat = squared <= np.finfo(np.float32).eps
            assert np.all(data[n, :, :, 3][flat] == 0)
            assert data[n, :, :, 3][~flat] == pytest.approx(1 / squared[~flat], rel=1e-2)


@pytest.mark.parametrize(("height", "width"), SIZES)
@pytest.mark.parametrize(("storage", "within"), [("fp32", 1e-4), ("fp16", 2e-3)])
def test_iterations(library, height, width, storage, within):
    pictures, u, p = level_zero(2, height, width)
    settings = TvL1Settings.of({**PORTABLE, "scales": 1, "inner_iterations": 4})
    plan = TvL1Plan(settings, height, width, pairs=2, storage=storage, fused_iterations=4)
    expected_u, expected_p, data = [], [], []
    for n in range(2):
        I0, I1 = pictures[:, n]
        grad, squared, rho_c = reference.linearise(I0, I1, *reference.centred_gradient(I1), u[n])
        inverse = np.where(squared > 1e-7, 1 / np.maximum(squared, 1e-7), 0)
        data.append(np.stack([*grad, rho_c, inverse]).astype(np.float32))
        next_u, next_p = u[n], p[n]
        for _ in range(4):
            next_u, next_p = reference.iterate(next_u, next_p, grad, squared, rho_c, NUMPY)
        expected_u.append(next_u)
        expected_p.append(next_p)
    launch = launches(plan, "iterate")[1]  # of the second warp: there are u and p to start from
    names = [argument.name for argument in launch.arguments[:5]]
    stored = np.float32 if storage == "fp32" else np.float16
    given = [interleaved(np.stack(data)), interleaved(u), interleaved(p).astype(stored)]
    found = [np.full_like(array, np.nan) for array in given[1:]]
    one_launch(library, launch, **dict(zip(names, [*given, *found], strict=True)))
    assert found[0] == pytest.approx(interleaved(np.stack(expected_u)), abs=within)
    assert found[1] == pytest.approx(interleaved(np.stack(expected_p)), abs=within)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_a_whole_batch_is_numpys(library, height, width):
    pairs = pairs_of(3, height, width)
    found = on_host(library, TvL1Plan(SETTINGS, height, width, pairs=3), pairs)
    for pair, flow in zip(pairs, found, strict=True):
        assert end_point_error_px(flow, reference.tvl1(*pair, NUMPY)) < 0.01


@pytest.mark.parametrize("storage", ["fp32", "fp16"])
def test_a_pairs_flow_is_the_same_bits_in_any_company_and_any_geometry(library, storage):
    pairs = pairs_of(2, 61, 83)
    both = on_host(library, TvL1Plan(SETTINGS, 61, 83, 2, storage), pairs)
    alone = on_host(library, TvL1Plan(SETTINGS, 61, 83, 1, storage), pairs[1:])
    assert np.array_equal(both[1], alone[0])
    # fp16 rounds between launches, so there the number of launches must stay.
    for block, fused in [((8, 16), 5), *([((16, 32), 7), ((4, 8), 2)] * (storage == "fp32"))]:
        plan = TvL1Plan(SETTINGS, 61, 83, 2, storage, region_block=block, fused_iterations=fused)
        assert np.array_equal(both, on_host(library, plan, pairs))


@pytest.mark.parametrize("order", ORDERS[1:])
def test_no_thread_reads_what_another_may_not_have_written_yet(library, order):
    pairs = pairs_of(2, 61, 83)
    plan = TvL1Plan(SETTINGS, 61, 83, 2)
    assert np.array_equal(on_host(library, plan, pairs), on_host(library, plan, pairs, order))


def test_halved_storage_of_the_dual_variables_costs_next_to_nothing(library):
    pairs = pairs_of(1, 109, 150)
    whole = on_host(library, TvL1Plan(SETTINGS, 109, 150, 1), pairs)
    half = on_host(library, TvL1Plan(SETTINGS, 109, 150, 1, "fp16"), pairs)
    assert 0 < end_point_error_px(whole[0], half[0]) < 0.01


def test_a_picture_that_stays_has_no_flow_at_all(library):
    previous, _ = moving(61, 83)
    assert not on_host(library, TvL1Plan(SETTINGS, 61, 83, 1), [(previous, previous)]).any()


@pytest.mark.parametrize("missing", [1, 2])
def test_the_stand_in_would_notice_a_missing_barrier(missing, tmp_path):
    parts = SOURCE.read_text().split("__syncthreads();")
    assert len(parts) == 3
    parts[missing - 1 : missing + 1] = [parts[missing - 1] + parts[missing]]
    broken = build(tmp_path, "__syncthreads();".join(parts))
    pairs, plan = pairs_of(1, 61, 83), TvL1Plan(SETTINGS, 61, 83, 1)
    found = [on_host(broken, plan, pairs, order) for order in ("forward", "backward")]
    assert not np.array_equal(*found)


def test_the_stand_in_refuses_a_barrier_that_not_all_threads_meet(tmp_path):
    source = SOURCE.read_text().replace("__syncthreads();", "if (own > 3) __syncthreads();")
    with pytest.raises(AssertionError, match="a barrier that others didn't"):
        on_host(build(tmp_path, source), TvL1Plan(SETTINGS, 61, 83, 1), pairs_of(1, 61, 83))
