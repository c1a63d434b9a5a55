"""Each kernel of pictures.cu on a device, against NumPy."""

import numpy as np
import pytest

from engine.flow import pictures
from tests.engine.flow import pictures_numpy as numpy

RESIZES = [
    ((640, 480), (300, 224)),
    ((97, 61), (97, 61)),
    ((83, 64), (31, 32)),
    ((90, 60), (45, 60)),
]


def check_resize(device, size, to):
    frames = _bytes(2, size[1], size[0], 3)
    found = _run(device, pictures.resize(2, size, to), frames, (2, to[1], to[0], 3))
    expected = numpy.resize(frames, to)
    off = np.abs(found.astype(int) - expected)
    assert off.max() <= 1
    assert off.mean() < 0.01


def check_grey(device, p):
    frames = _bytes(3, 6 * p, 10 * p, 3)
    found = _run(device, pictures.grey(3, (10 * p, 6 * p), p), frames, (3, 6, 10))
    assert np.array_equal(found, numpy.grey(frames, p))


def check_quantise(device, bound_px):
    flow = np.random.default_rng(0).normal(0, bound_px, (3, 2, 37, 21)).astype(np.float32)
    flow[0, 0, 0, :4] = [0, -bound_px, 2 * bound_px, bound_px / 254]
    found = _run(device, pictures.quantise(3, (21, 37), bound_px), flow, flow.shape)
    assert np.array_equal(found, numpy.quantise(flow, bound_px))


def check_crop(device, channels):
    frames = _bytes(2, 61, 80, channels)
    found = _run(device, pictures.crop(2, (80, 61), 33, channels), frames, (2, 33, 33, channels))
    assert np.array_equal(found, numpy.crop(frames, 33))


def check_stack(device):
    pairs = _bytes(12, 2, 9, 9)
    chosen = np.array([range(10), [-1] * 10, [11, 3, -1, 0, 0, 0, 7, 8, 2, 1]])
    stream, memory = device.stream(), [device.allocate(pair.nbytes) for pair in pairs]
    for piece, pair in zip(memory, pairs, strict=True):
        device.upload(piece, pair, stream)
    where = np.array([*map(int, memory), 0], np.uint64)[chosen]
    found = _run(device, pictures.stack(3, 81), where, (3, 20, 9, 9), stream)
    assert np.array_equal(found, numpy.stack(pairs, chosen))


def check_what_is_refused():
    with pytest.raises(ValueError, match="300x200 px can't grow to 300x224"):
        pictures.resize(1, (300, 200), (300, 224))
    with pytest.raises(ValueError, match="30x20 px can't be divided by 4"):
        pictures.grey(1, (30, 20), 4)
    with pytest.raises(ValueError, match="can't cut 21x21 px out of 30x20 px"):
        pictures.crop(1, (30, 20), 21, 3)


def _bytes(*shape):
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)


def _run(device, launch, source, shape, stream=None):
    stream = stream or device.stream()
    found = np.zeros(shape, np.uint8)
    memory = {"in": device.allocate(source.nbytes), "out": device.allocate(found.nbytes)}
    device.upload(memory["in"], source, stream)
    addresses = {name: int(piece) for name, piece in memory.items()}
    kernels = device.kernels(pictures.SOURCE)
    kernels.bind(launch, {**addresses, "pairs": addresses["in"]})(stream)
    device.download(found, memory["out"], stream)
    device.wait(stream)
    return found
