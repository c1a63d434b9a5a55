"""The incremental head: what one camera's stream carries from sample to sample.

A segment's LSTM starts from zero at the segment's first frame, so it can't slide. Instead there
are k lanes, each a segment that began one sample later than the last:

    sample         0  1  2  3  4  5  6        (k = 3)
    lane 0         [-------][-------][--
    lane 1            [-------][-------]
    lane 2               [-------][-----      at sample 5, lane 0 = (5 + 1) mod 3 is whole

At sample t the head graph clears lane t mod k and gives every lane the new feature. Lane
(t + 1) mod k, begun at t - k + 1, has then become a whole segment with score S(t), and

    P(t) = (S(t) + S(t - k) + ... + S(t - (N - 1) k)) / N

is the paper's consensus over the last N k samples. Before N segments are whole, P is the mean of
those that are; before the first is, it is the partial score of the one begun at sample 0.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engine.arrays import F32, AnyArray
from engine.calibration import softmax
from engine.manifest import Manifest
from engine.runners.runner import Runner

STATE = ("h", "c", "m", "l", "a")
CLEARED_LOGIT = -1e30  # a finite stand-in for minus infinity: exp(it - any logit) is 0


def initial_state(*, batch: int, lanes: int, hidden: int, width: int) -> dict[str, AnyArray]:
    """The head graph's state inputs before the first sample.

    h, c [B,k,H]: LSTM output and cell; m [B,k]: a lane's largest logit; l [B,k]: its sum of
    weights exp(logit - m); a [B,k,D]: its weighted sum of features.
    """
    return {
        "h": np.zeros((batch, lanes, hidden), np.float32),
        "c": np.zeros((batch, lanes, hidden), np.float32),
        "m": np.full((batch, lanes), CLEARED_LOGIT, np.float32),
        "l": np.zeros((batch, lanes), np.float32),
        "a": np.zeros((batch, lanes, width), np.float32),
    }


class Window:
    """One stream of one camera: the scores and logits that its answers still need.

    segments (N), lanes (k), classes (C): the bundle's. samples: how many have entered.
    """

    def __init__(self, *, segments: int, lanes: int, classes: int) -> None:
        self._segments, self._lanes = segments, lanes
        self.samples = 0
        # Rings, by sample number: S reaches back (N - 1) k samples, attention N k.
        self._whole = np.zeros(((segments - 1) * lanes + 1, classes), np.float32)
        self._logits = np.zeros((segments * lanes, lanes), np.float32)
        self._partial: F32 = np.zeros(classes, np.float32)

    @property
    def lane(self) -> int:
        """The lane that the next sample clears and begins."""
        return self.samples % self._lanes

    def skip(self, samples: int) -> None:
        """Let time pass without a step. What the lanes hold is stale for the N k samples after."""
        self.samples += samples

    def enter(self, whole: F32, partial: F32, logits: F32) -> None:
        """Take over what a step gave: the score [C] of the lane that has become a whole segment,
        lane 0's, and each lane's newest logit [k].
        """
        t = self.samples
        self._whole[t % len(self._whole)] = whole
        self._logits[t % len(self._logits)] = logits
        self._partial = partial
        self.samples += 1

    def scores(self) -> F32:
        """P [C] of the newest sample."""
        if not self._whole_segments:
            return self._partial
        t = self.samples - 1
        ends = t - self._lanes * np.arange(self._whole_segments)
        return np.asarray(self._whole[ends % len(self._whole)].mean(axis=0))

    def temporal_attention(self) -> F32:
        """beta [N·k] behind P, oldest first; a segment's k numbers sum to 1.

        Where the window is not yet full, its missing front is 0; while even the first segment is
        partial, the last of the numbers are that segment's, and sum to 1.
        """
        beta = np.zeros(self._segments * self._lanes, np.float32)
        count, length = self._whole_segments, self._lanes
        if not count:
            count, length = 1, self.samples
        t = self.samples - 1
        # All of P's segments run in one lane: they lie k samples apart.
        lane = (t + 1) % self._lanes if self._whole_segments else 0
        span = count * length
        logits = self._logits[np.arange(t - span + 1, t + 1) % len(self._logits), lane]
        beta[-span:] = softmax(logits.reshape(count, length)).ravel()
        return beta

    @property
    def _whole_segments(self) -> int:
        return min(self.samples // self._lanes, self._segments)


class Lanes(Window):
    """A window with the head's state in the host's memory.

    segments (N), lanes (k), hidden (H), width (D), classes (C): the bundle's.
    """

    def __init__(self, *, segments: int, lanes: int, hidden: int, width: int, classes: int) -> None:
        super().__init__(segments=segments, lanes=lanes, classes=classes)
        self.state = initial_state(batch=1, lanes=lanes, hidden=hidden, width=width)
        self.feature: F32 = np.zeros((1, width), np.float32)  # the newest one

    @classmethod
    def of(cls, manifest: Manifest) -> Lanes:
        """Lanes of a bundle's shape."""
        return cls(
            segments=manifest.segments,
            lanes=manifest.frames_per_segment,
            hidden=manifest.hidden_width,
            width=manifest.feature_width,
            classes=len(manifest.classes),
        )

    def advance(self, feature: F32, outputs: dict[str, AnyArray]) -> None:
        """Take over what the head graph gave for `feature` [1,D]; every array has a batch of 1."""
        scores = outputs["segment_scores"][0]  # [k,C]
        self.enter(scores[(self.lane + 1) % self._lanes], scores[0], outputs["logits"][0])
        self.feature = feature
        self.state = {name: outputs[f"{name}_out"] for name in STATE}


def lane_step(head: Runner, lanes: Sequence[Lanes], features: F32) -> None:
    """One sample for each of `lanes`, in one batch: row b of features [B,D] enters lanes[b]."""
    outputs = head.run(
        {
            "features": features,
            "lane": np.array([row.lane for row in lanes], np.int32),
            **{name: np.concatenate([row.state[name] for row in lanes]) for name in STATE},
        }
    )
    for b, row in enumerate(lanes):
        own = {name: array[b : b + 1] for name, array in outputs.items()}
        row.advance(features[b : b + 1], own)
