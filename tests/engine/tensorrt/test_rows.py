"""What lies between CNN and head: the kernels against NumPy, NumPy against the lanes."""

import numpy as np
import pytest

from engine.cuda.gpu import Gpu
from engine.lanes import Lanes, lane_step
from engine.tensorrt.rows import ROW, Rows
from tests.engine.numpy_graphs import HeadWeights, NumpyHead
from tests.engine.tensorrt import rows_device
from tests.engine.tensorrt.rows_numpy import NumpyRows


@pytest.mark.parametrize("kernel", ["keep", "gather", "scatter"])
def test_a_kernel_does_what_numpy_does(fake_driver, fake_cuda, kernel):
    gpu = Gpu(fake_driver)
    with gpu.current():
        rows_device.check(gpu, kernel)
    assert fake_driver.launched == [kernel]


def test_numpys_rows_are_the_lanes(manifest):
    """Two cameras, one of them begun later, by states and tables against `Lanes`."""
    draw = np.random.default_rng(5)
    head = NumpyHead(HeadWeights.random(manifest, seed=1))
    rows = Rows.of(manifest, area=1)
    states = np.full((2, rows.state_floats), np.nan, np.float32)
    result = np.full((2, rows.result_floats), np.nan, np.float32)
    numpy, lanes = NumpyRows(rows, states, result), [Lanes.of(manifest) for _ in range(2)]
    shapes = {name: array.shape[1:] for name, array in lanes[0].state.items()}
    for t in range(15):
        who = [0] if t < 4 else [1, 0]
        table = np.zeros(len(who), ROW)
        for b, n in enumerate(who):
            table[b] = (n + 1, b, lanes[n].lane, lanes[n].samples == 0)
        features = draw.normal(0, 1, (len(who), manifest.feature_width)).astype(np.float32)
        numpy.keep(table, features, np.zeros((len(who), 1), np.float32))
        arrays = {
            "features": np.empty_like(features),
            "lane": np.empty(len(who), np.int32),
            **{name: np.empty((len(who), *shape), np.float32) for name, shape in shapes.items()},
        }
        numpy.gather(table, arrays)
        numpy.scatter(table, head.run(arrays))
        lane_step(head, [lanes[n] for n in who], features)
        for b, n in enumerate(who):
            scores = result[b, : len(manifest.classes)]
            newest = (lanes[n].samples - 1) % len(lanes[n]._whole)
            assert np.array_equal(scores, lanes[n]._whole[newest])
            assert np.array_equal(states[n, : rows.width], features[b])
            assert np.array_equal(states[n, rows.width :], _carried(lanes[n]))


def test_a_row_is_what_the_kernels_take_it_for():
    assert ROW.itemsize == 24
    assert [ROW.fields[name][1] for name in ("state", "place", "lane", "begins")] == [0, 8, 12, 16]


def _carried(lanes):
    return np.concatenate([array.ravel() for array in lanes.state.values()])
