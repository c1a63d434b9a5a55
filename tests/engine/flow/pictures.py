"""Pairs of grey pictures to find flow in."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

# With these, OpenCV's TV-L1 does what the kernels do: no early stop, no median filter.
PORTABLE = {
    "epsilon": 0.0,
    "median_filtering": 1,
    "inner_iterations": 15,
    "outer_iterations": 1,
}


def moving(height, width, seed=0, by=(2, -1)):
    """A texture [height,width] twice, that moves by so many px to the right and down."""
    x, y = by
    noise = np.random.default_rng(seed).integers(0, 256, (height + 12, width + 12), np.uint8)
    texture = cv2.normalize(cv2.GaussianBlur(noise, (0, 0), 2), None, 0, 255, cv2.NORM_MINMAX)
    previous = texture[6 : 6 + height, 6 : 6 + width]
    current = texture[6 - y : 6 - y + height, 6 - x : 6 - x + width]
    return previous.copy(), current.copy()


def rubber_whale(data_dir):
    """Middlebury's pair [388,584] and its true flow [2,388,584], NaN where that is unknown."""
    folder = data_dir / "flow_gt" / "middlebury_rubberwhale"
    true = cv2.readOpticalFlow(str(folder / "flow10.flo")).transpose(2, 0, 1)
    true[:, (np.abs(true) > 1e9).any(0)] = np.nan
    pair = [cv2.imread(str(folder / f"frame{n}.png"), cv2.IMREAD_GRAYSCALE) for n in (10, 11)]
    return *pair, true


def video_pair(path: Path, height, width):
    """Frames 5 and 6 of a clip, grey, at a size."""
    video = cv2.VideoCapture(str(path))
    frames = [video.read()[1] for _ in range(7)][-2:]
    video.release()
    grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in frames]
    return tuple(cv2.resize(each, (width, height), interpolation=cv2.INTER_AREA) for each in grey)


def end_point_error_px(flow, other):
    """Mean length of the difference, where both are known."""
    return float(np.nanmean(np.hypot(*(flow - other))))
