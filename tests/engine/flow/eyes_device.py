"""Cameras' sights on any device, beside what the host makes of the same frames."""

import numpy as np

from engine.flow.pictures import Pictures
from engine.flow.quantise import quantise
from engine.flow.stack import STACK, stack
from engine.flow.tvl1_cuda import CudaTvL1Flow
from engine.preprocess import centre_crop, grey, resize
from tests.engine.flow.pictures import PORTABLE

FEW = {**PORTABLE, "inner_iterations": 3, "warps": 2, "scales": 2}
SCALE, SIDE, P, BOUND_PX, HIDDEN = (44, 34), 32, 2, 8.0, 127
PICTURES = Pictures(SCALE, SIDE, P, BOUND_PX, HIDDEN)


class Host:
    """What the CPU makes of the same frames, with flow by the same kernels."""

    def __init__(self, gpu, outside=None):
        self._flow, self._outside, self._grey = CudaTvL1Flow(FEW, gpu), outside, None
        self.crops, self.pairs = {}, {}

    def add(self, tick, image, with_flow=True):
        scaled = resize(image, SCALE)
        if self._outside is not None:
            scaled[self._outside] = HIDDEN
        before, self._grey = self._grey, grey(scaled, P)
        pair = np.full((2, SCALE[1] // P, SCALE[0] // P), 128, np.uint8)
        if with_flow and before is not None:
            pair = quantise(self._flow.estimate(before, self._grey), BOUND_PX)
        self.crops[tick] = centre_crop(scaled, SIDE, channels_last=True)
        self.pairs[tick] = centre_crop(pair, SIDE // P, channels_last=False)

    def repeat(self, tick):
        self.crops[tick] = self.crops[tick - 1]
        self.pairs[tick] = np.full_like(self.pairs[tick - 1], 128)

    def stack(self, tick):
        return stack(lambda j: self.pairs[j], tick)


def image(tick, size=SCALE, seed=0):
    width, height = size
    x, y = np.arange(width)[None, :] - 1.5 * tick, np.arange(height)[:, None]
    waves = [np.sin(x / (5 + c) + seed) * np.cos(y / (6 + c) + seed) for c in range(3)]
    return np.stack([np.rint(127 + 120 * wave) for wave in waves], axis=-1).astype(np.uint8)


def assert_sees(eyes, view, host, tick, within=0):
    rgb = eyes.read(view.rgb).reshape(SIDE, SIDE, 3)
    assert np.abs(rgb.astype(int) - host.crops[tick]).max() <= within
    if view.flow is not None:
        flow = eyes.read(view.flow).reshape(2 * STACK, SIDE // P, SIDE // P).astype(int)
        assert np.abs(flow - host.stack(tick)).mean() <= within / 4
        assert within or np.array_equal(flow, host.stack(tick))


def check_cameras(gpu, eyes):
    """Three in one go: one's pictures shrink, one's grow, one hides a part."""
    outside = np.zeros(SCALE[::-1], bool)
    outside[:, :20] = True
    sizes = [(97, 61), (30, 40), SCALE]
    masks = [None, None, outside]
    opened = [eyes.open(*each, lambda: None) for each in zip(sizes, masks, strict=True)]
    hosts = [Host(gpu, mask) for mask in masks]
    for tick in range(4):
        for n, (eye, host, size) in enumerate(zip(opened, hosts, sizes, strict=True)):
            eye.add(tick, image(tick, size, n), with_flow=True)
            host.add(tick, image(tick, size, n))
        eyes.take_in()
        for eye, host, within in zip(opened, hosts, (1, 0, 0), strict=True):
            assert_sees(eyes, eye.view(tick, with_flow=True), host, tick, within)
