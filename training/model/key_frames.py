"""Key-frame exploration: equations (8) to (11) of the paper, whole and one sample at a time.

Shapes: B batch, N segments, k frames per segment (and lanes), D feature width, H hidden width,
C classes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

CLEARED_LOGIT = -1e30  # the largest logit of a lane that has seen nothing; exp(it - any) is 0


class KeyFrameExploration(nn.Module):
    """Features [B, N, k, D] -> (segment scores [B, N, C], beta [B, N, k]).

    Each segment's LSTM starts from zero; its outputs give the temporal attention beta, which
    weighs the *features* (not the LSTM's outputs) into one vector per segment. All segments
    share the parameters. Fewer than k frames are accepted: a partial segment.

    Args:
        width: D. hidden: H. classes: C.
        dropout: of the segment vector before the classifier, while training. The paper names
            none; the FC would otherwise be the model's only layer of its size without any.
    """

    def __init__(self, *, width: int, hidden: int, classes: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.lstm = nn.LSTM(width, hidden, batch_first=True)
        # The paper's 1x1 1-D convolution over h is a linear layer at every time step. Its bias
        # is a constant that softmax cancels: kept, and never given a gradient.
        self.attention = nn.Linear(hidden, 1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(width, classes)

    def forward(self, features: Tensor) -> tuple[Tensor, Tensor]:
        if features.dim() != 4:
            raise ValueError(f"features must be [B, N, k, D], instead got {tuple(features.shape)}")
        segments = features.flatten(0, 1)  # [B·N, k, D]
        outputs, _ = self.lstm(segments)  # [B·N, k, H]
        beta = self.attention(outputs).softmax(dim=1)  # (9), (10): [B·N, k, 1]
        # (11) prints F_{n,k} under the sum; the index that is summed over, t, is meant.
        vectors = (beta * segments).sum(dim=1)  # [B·N, D]
        scores = self.classifier(self.dropout(vectors))  # [B·N, C]
        shape = features.shape[:2]
        return scores.unflatten(0, shape), beta.squeeze(-1).unflatten(0, shape)


class LaneState(NamedTuple):
    """k segments in progress, each begun one sample after the last."""

    h: Tensor  # [B, k, H] LSTM output
    c: Tensor  # [B, k, H] LSTM cell
    m: Tensor  # [B, k] largest logit so far
    l: Tensor  # [B, k] sum of weights exp(logit - m)  # noqa: E741 (the design's name)
    a: Tensor  # [B, k, D] sum of weighted features


class LaneStep(nn.Module):
    """One sample for all lanes: the exported, incremental form of `KeyFrameExploration`.

    The softmax over a segment is kept in running form (largest logit m, sum of weights l,
    weighted sum a), so a lane that has seen k samples holds exactly the segment's vector a / l.
    A lane is cleared by selection: whatever it held, even NaN, has no influence.
    """

    def __init__(self, *, key_frames: KeyFrameExploration, lanes: int) -> None:
        super().__init__()
        self.key_frames = key_frames  # shared, not copied
        self.lanes = lanes

    def start(self, batch: int) -> LaneState:
        """The state before the first sample."""
        lstm, like = self.key_frames.lstm, self.key_frames.classifier.weight
        hidden = like.new_zeros(batch, self.lanes, lstm.hidden_size)
        none = like.new_zeros(batch, self.lanes)
        sums = like.new_zeros(batch, self.lanes, lstm.input_size)
        return LaneState(hidden, hidden.clone(), none + CLEARED_LOGIT, none, sums)

    def forward(self, features: Tensor, lane: Tensor, *state: Tensor) -> tuple[Tensor, ...]:
        """Advance every lane by one sample; lane `lane` begins with it.

        Args:
            features: [B, D]. lane: int32 [B], t mod k. state: the five of `LaneState`.

        Returns:
            The five after the sample; segment scores [B, k, C] (partial ones too);
            logits [B, k], each lane's newest.
        """
        h, c, largest, total, summed = state
        lstm, lanes, hidden = self.key_frames.lstm, self.lanes, self.key_frames.lstm.hidden_size
        number = torch.arange(lanes, dtype=torch.int32, device=features.device)
        begins = number.unsqueeze(0) == lane.unsqueeze(1)  # [B, k]
        begins_row = begins.unsqueeze(2)  # [B, k, 1]
        h = h.masked_fill(begins_row, 0.0)
        c = c.masked_fill(begins_row, 0.0)
        largest = largest.masked_fill(begins, CLEARED_LOGIT)
        total = total.masked_fill(begins, 0.0)
        summed = summed.masked_fill(begins_row, 0.0)

        # The input product is the same for every lane: once, then broadcast.
        weight_ih, weight_hh, bias_ih, bias_hh = lstm.all_weights[0]
        entered = F.linear(features, weight_ih, bias_ih)  # [B, 4H]
        recalled = F.linear(h.reshape(-1, hidden), weight_hh, bias_hh)  # [B·k, 4H]
        gates = entered.unsqueeze(1) + recalled.view(-1, lanes, 4 * hidden)  # [B, k, 4H]
        enter, forget, cell, out = torch.split(gates, hidden, dim=2)  # torch's order i, f, g, o
        c = forget.sigmoid() * c + enter.sigmoid() * cell.tanh()  # [B, k, H]
        h = out.sigmoid() * c.tanh()

        logits = self.key_frames.attention(h.reshape(-1, hidden)).view(-1, lanes)  # (10): [B, k]
        peak = torch.maximum(largest, logits)
        kept, weight = (largest - peak).exp(), (logits - peak).exp()  # [B, k]
        total = kept * total + weight
        summed = kept.unsqueeze(2) * summed + weight.unsqueeze(2) * features.unsqueeze(1)
        # Every lane has just taken a sample, so total >= 1: the quotient needs no guard.
        vectors = summed / total.unsqueeze(2)  # (11): [B, k, D]
        scores = self.key_frames.classifier(vectors.reshape(-1, lstm.input_size))  # [B·k, C]
        scores = scores.view(-1, lanes, self.key_frames.classifier.out_features)  # [B, k, C]
        return h, c, peak, total, summed, scores, logits
