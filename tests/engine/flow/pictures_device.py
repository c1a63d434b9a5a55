"""Each kernel of pictures.cu on a device, against NumPy."""

import numpy as np

from engine.flow import pictures
from engine.flow.pictures import FRAME, IN_PLACE, Pictures
from tests.engine.flow import pictures_numpy as numpy

SCALES = [  # frames' sizes, and the model's; the last frame is as it is to be
    ([(640, 480), (417, 224), (300, 224)], (300, 224)),
    ([(83, 64), (62, 33), (31, 32)], (31, 32)),
    ([(90, 60), (45, 61), (45, 60)], (45, 60)),
]
HIDDEN = 127


class Batch:
    """Frames of several sizes on the device, the second one's left half hidden, behind them a place
    for a frame that isn't there.
    """

    def __init__(self, device, sizes, plan):
        self.device, self.plan, self.stream = device, plan, device.stream()
        self._kept = []  # memory that nobody holds is given back, and then somebody else's
        self.images = [_bytes(height, width, 3) for width, height in sizes]
        self.rows = len(sizes) + 1
        width, height = plan.size
        self.outside = np.zeros((height, width), bool)
        self.outside[:, : width // 2] = True
        self.grey = _bytes(self.rows, plan.grey_bytes)
        self.table = np.zeros(self.rows, FRAME)
        self.made = []
        for row, image in enumerate(self.images):
            hidden = self._up(self.outside.astype(np.uint8)) if row == 1 else 0
            rgb, pair = (np.zeros(size, np.uint8) for size in (plan.rgb_bytes, plan.pair_bytes))
            made = [rgb, self.grey[row], pair]
            self.made.append([self._up(each) for each in made])
            places = map(int, (self._up(image), hidden, *self.made[-1]))
            self.table[row] = (*places, image.shape[1], image.shape[0])
        self.memory = {"frames": self._up(self.table)}

    def put(self, **arrays):
        """Buffers, as they are before a kernel."""
        self.memory |= {name: self._up(array) for name, array in arrays.items()}

    def run(self, launch):
        addresses = {name: int(piece) for name, piece in self.memory.items()}
        self.device.kernels(pictures.SOURCE).bind(launch, addresses)(self.stream)
        self.device.wait(self.stream)

    def found(self, source, shape):
        array = np.empty(shape, np.uint8)
        self.device.download(array, source, self.stream)
        self.device.wait(self.stream)
        return array

    def _up(self, array):
        array = np.ascontiguousarray(array)
        memory = self.device.allocate(array.nbytes)
        self._kept.append(memory)
        self.device.upload(memory, array.view(np.uint8), self.stream)
        self.device.wait(self.stream)
        return memory


def check_resize(device, sizes, to):
    batch = Batch(device, sizes, plan := _plan(to, side=16))
    before = _bytes(batch.rows, to[1], to[0], 3)
    batch.put(scaled=before, current=before[..., 0], previous=before[..., 0])
    batch.run(plan.before_flow(batch.rows)[0])
    found = batch.found(batch.memory["scaled"], before.shape)
    for row, image in enumerate(batch.images):
        expected = numpy.resize(image[None], to)[0]
        if row == 1:
            expected[batch.outside] = HIDDEN
        off = np.abs(found[row].astype(int) - expected)
        assert off.max() <= 1
        assert off.mean() < 0.01
    assert np.array_equal(found[-2], batch.images[-1])
    assert np.array_equal(found[-1], before[-1])


def check_grey_and_crop(device, p):
    """From the model's scale on: the newest grey, the one before, and the crops."""
    batch = Batch(device, [(10 * p, 6 * p)] * 3, plan := _plan((10 * p, 6 * p), 3 * p, p))
    scaled, other = _bytes(batch.rows, 6 * p, 10 * p, 3), np.full((batch.rows, 6, 10), 7, np.uint8)
    batch.put(scaled=scaled, current=other, previous=other)
    for launch in plan.before_flow(batch.rows)[1:]:
        batch.run(launch)
    grey = numpy.grey(scaled, p)
    previous = batch.found(batch.memory["previous"], other.shape)
    assert np.array_equal(batch.found(batch.memory["current"], other.shape), grey)
    assert np.array_equal(previous[:-1], batch.grey.reshape(other.shape)[:-1])
    assert (previous[-1] == 7).all()  # nobody's
    for row, (rgb, kept, _) in enumerate(batch.made):
        assert np.array_equal(batch.found(kept, (6, 10)), grey[row])
        expected = numpy.crop(scaled[row : row + 1], 3 * p)[0]
        assert np.array_equal(batch.found(rgb, expected.shape), expected)


def check_quantise(device, bound_px):
    batch = Batch(device, [(42, 60)] * 3, plan := _plan((42, 60), 30, 2, bound_px))
    flow = np.random.default_rng(0).normal(0, bound_px, (batch.rows, 2, 30, 21)).astype(np.float32)
    flow[0, 0, 15, 5:9] = [0, -bound_px, 2 * bound_px, bound_px / 254]
    batch.put(flow=flow)
    batch.run(plan.after_flow(batch.rows))
    expected = numpy.quantise(flow, bound_px).reshape(-1, 30, 21, 1)
    expected = numpy.crop(expected, 15).reshape(batch.rows, 2, 15, 15)
    for row, (_, _, pair) in enumerate(batch.made):
        assert np.array_equal(batch.found(pair, (2, 15, 15)), expected[row])


def check_stack(device):
    batch, pairs = Batch(device, [(31, 32)], _plan((31, 32), 16)), _bytes(12, 2, 9, 9)
    chosen = np.array([range(10), [-1] * 10, [11, 3, -1, 0, 0, 0, 7, 8, 2, 1]])
    parts = np.array([*(int(batch._up(pair)) for pair in pairs), 0], np.uint64)[chosen]
    before = _bytes(4, 20, 9, 9)
    batch.put(parts=np.vstack([parts, np.full(10, IN_PLACE, np.uint64)]), there=before)
    batch.run(pictures.stack(4, 10, 2 * 81, "there"))
    found = batch.found(batch.memory["there"], before.shape)
    assert np.array_equal(found[:3], numpy.stack(pairs, chosen))
    assert np.array_equal(found[3], before[3])


def _plan(size, side, p=1, bound_px=8.0):
    return Pictures(size, side, p, bound_px, HIDDEN)


def _bytes(*shape):
    return np.random.default_rng(shape).integers(0, 256, shape, np.uint8)
