"""The offline evaluation that the daemon must agree with: whole files, torch, no lanes.

Shapes: T samples, S input side, N segments, k frames per segment, D features, C classes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
import torch
from numpy.typing import NDArray

from engine.arrays import F32, U8
from engine.flow.open import open_flow
from engine.flow.quantise import quantise
from engine.grid import grid_frames
from engine.manifest import Calibration, Manifest
from engine.preprocess import grey, resize
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import SpatialStream, StaTsn

Picture = tuple[int, U8]  # presentation time in ns, and [H,W,3] RGB


def decoded(clip: Path, frames: int) -> list[Picture]:
    """A file's first frames, by PyAV alone."""
    with av.open(str(clip)) as container:
        # AVI keeps decoding times alone; the decoder's pictures are in the order of presentation.
        kept = "dts" if container.format.name == "avi" else "pts"
        return [
            (
                round(Fraction(getattr(frame, kept)) * frame.time_base * 1_000_000_000),
                frame.to_ndarray(format="rgb24"),
            )
            for frame in islice(container.decode(video=0), frames)
        ]


@dataclass(frozen=True)
class Inputs:
    """What the model sees at each sample: rgb [T,S,S,3], stacks [T,20,S,S]."""

    rgb: U8
    stacks: U8


def on_grid(pictures: Iterable[Picture], manifest: Manifest) -> Inputs:
    """The samples of a whole clip by design: grid, resize, flow of each pair, stack, crop."""
    times_ns, images = zip(*pictures, strict=True)
    width, height = manifest.resize
    side = manifest.input_size
    top, left = (height - side) // 2, (width - side) // 2
    p = manifest.flow_downsampling
    name = manifest.default_flow
    flow = open_flow(name, manifest.flows[name].parameters)
    frames: list[U8] = []
    pairs: list[U8] = []
    for index, repeated in grid_frames(times_ns, manifest.grid):
        frame = resize(images[index], manifest.resize)
        moved = np.zeros((2, height // p, width // p), np.float32)
        if frames and not repeated:
            moved = flow.estimate(grey(frames[-1], p), grey(frame, p))
        frames.append(frame)
        pairs.append(quantise(moved, manifest.flows[name].bound_px))
    ticks = range(0, len(frames), manifest.sample_every)
    crop = np.s_[..., top // p : (top + side) // p, left // p : (left + side) // p]
    stacks = [  # the ten pairs that end at t; on the left the earliest that has ended
        np.concatenate([pairs[max(min(1, t), t - 9 + i)][crop] for i in range(10)]) for t in ticks
    ]
    rgb = [frames[t][top : top + side, left : left + side] for t in ticks]
    return Inputs(np.stack(rgb), np.stack(stacks))


@dataclass(frozen=True)
class Features:
    """Each sample's feature by itself: rgb, flow [T,D]."""

    rgb: torch.Tensor
    flow: torch.Tensor


@torch.inference_mode()
def features_of(model: StaTsn, inputs: Inputs) -> Features:
    """Every frame and stack through torch, once."""

    def through(stream: SpatialStream, images: U8) -> torch.Tensor:
        return torch.cat([stream(batch)[0] for batch in torch.from_numpy(images).split(8)])

    return Features(through(model.rgb, inputs.rgb), through(model.flow, inputs.stacks))


@dataclass(frozen=True)
class Window:
    """The class scores [C] of the window that ends at one sample, and its attention [N·k]."""

    rgb: NDArray[np.float64]
    flow: NDArray[np.float64]
    attention: F32  # zero where the window has no frame


def windows_of(model: StaTsn, features: Features, manifest: Manifest) -> list[Window]:
    """One a sample: its window's segments, each through the LSTM by itself, from zero."""
    windows = []
    for t in range(len(features.rgb)):
        rgb, rgb_beta = _scores(model.rgb_head, features.rgb[: t + 1], manifest)
        flow, flow_beta = _scores(model.flow_head, features.flow[: t + 1], manifest)
        windows.append(Window(rgb, flow, (rgb_beta + flow_beta) / 2))
    return windows


@dataclass(frozen=True)
class Answer:
    """What the offline model says of one window: each [C]."""

    probabilities: NDArray[np.float64]
    p_rgb: NDArray[np.float64]
    p_flow: NDArray[np.float64]
    attention: F32


def answer(window: Window, calibration: Calibration) -> Answer:
    p_rgb, p_flow = _softmax(window.rgb / calibration.rgb), _softmax(window.flow / calibration.flow)
    if calibration.fusion == "scores":
        logits = (np.log(p_rgb) + np.log(p_flow)) / 2
    else:
        logits = np.log((p_rgb + p_flow) / 2)
    fused = _softmax(logits / calibration.fused)
    return Answer(fused, p_rgb, p_flow, window.attention)


@torch.inference_mode()
def _scores(
    head: KeyFrameExploration, features: torch.Tensor, manifest: Manifest
) -> tuple[NDArray[np.float64], F32]:
    """The mean score [C] of the segments that end at the last of features [t+1,D], and beta."""
    k = manifest.frames_per_segment
    beta = np.zeros(manifest.window_samples, np.float32)
    scores = []
    end, place = len(features), len(beta)
    for _ in range(max(1, min(len(features) // k, manifest.segments))):
        begin = max(0, end - k)
        score, weights = head(features[None, None, begin:end])  # [1,1,C], [1,1,k]
        scores.append(score[0, 0].double().numpy())
        beta[place - (end - begin) : place] = weights[0, 0].numpy()
        end, place = begin, place - k
    return np.mean(scores, axis=0), beta


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    weights: NDArray[np.float64] = np.exp(scores - scores.max())
    return weights / weights.sum()
