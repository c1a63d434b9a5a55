"""Do the kernels before the CNN give the host's pictures and flow on this GPU?"""

from __future__ import annotations

from collections.abc import Mapping

import cv2
import numpy as np

from engine.arrays import U8
from engine.errors import EngineDrift
from engine.flow.cuda_eyes import CudaEyes
from engine.flow.estimator import FlowParameter
from engine.flow.quantise import quantise
from engine.flow.tvl1 import TvL1Flow
from engine.preprocess import centre_crop, grey, resize

RGB_STEPS = 1  # of 255, at most: resized in another order of sums
FLOW_STEPS = 1.0  # of 127, in the mean

_MOVES_PX = 3


def check(eyes: CudaEyes, parameters: Mapping[str, FlowParameter]) -> str:
    """A moving texture, twice as large as the model's scale, through the GPU and through the host.

    Returns the differences in words. Raises EngineDrift where they are too large.
    """
    pictures = eyes.pictures
    (width, height), p = pictures.size, pictures.downsampling
    images = _texture(2 * width, 2 * height)
    eye = eyes.open((2 * width, 2 * height), None, lambda: None)
    for tick, image in enumerate(images):
        eye.add(tick, image, with_flow=True)
    eyes.take_in()
    found_rgb, found_pair = (eyes.read(each)[-1].astype(int) for each in (eye.crop(), eye.stack(1)))
    eye.close()
    eyes.take_in()  # and part from it

    before, now = (resize(image, pictures.size) for image in images)
    flow = TvL1Flow(parameters).estimate(grey(before, p), grey(now, p))
    rgb = centre_crop(now, pictures.side, channels_last=True)
    pair = centre_crop(quantise(flow, pictures.bound_px), pictures.side // p, channels_last=False)
    off_rgb = int(np.abs(found_rgb - rgb.ravel()).max())
    off_flow = float(np.abs(found_pair - pair.ravel()).mean())
    words = (
        f"pictures {off_rgb} of 255 from the CPU's (tolerance {RGB_STEPS}), flow {off_flow:.2f} of "
        f"127 in the mean (tolerance {FLOW_STEPS:g})"
    )
    if not (off_rgb <= RGB_STEPS and off_flow <= FLOW_STEPS):
        raise EngineDrift(f"the GPU's pictures drift: {words}")
    return words


def _texture(width: int, height: int) -> tuple[U8, U8]:
    """RGB [height,width,3] twice, moved by some px to the right."""
    noise = np.random.default_rng(0).normal(0, 1, (height, width + _MOVES_PX, 3))
    blurred = cv2.GaussianBlur(noise.astype(np.float32), (0, 0), 6)
    low, high = blurred.min(), blurred.max()
    texture = ((blurred - low) * (255 / (high - low))).astype(np.uint8)
    return texture[:, _MOVES_PX:].copy(), texture[:, :-_MOVES_PX].copy()
