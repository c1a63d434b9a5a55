"""What a stream says at each sample of long footage: one pass, in bounded memory.

Shapes: n samples, C classes, D feature width, N segments of k frames.

The numbers are those of `training.model.consensus.rolling_scores`, which scores every window by
itself; here each segment is scored once, many together, and serves the N windows that it is in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from engine.arrays import F32
from training.data.footage import Footage
from training.data.frame_store import StoredClip
from training.errors import OutputError
from training.evaluation.clip_scores import RGB, Scores
from training.features import clip_features
from training.model.build import Modality
from training.model.key_frames import KeyFrameExploration
from training.model.sta_tsn import StaTsn
from training.progress import Progress

_CHUNK = 256  # samples


def footage_scores(
    model: StaTsn,
    footage: Mapping[str, Footage],
    *,
    sample_every: int,
    side: int,
    precision: str = "fp32",
    progress: Progress,
) -> Scores:
    """The rolling scores [n, C] of RGB and of each flow, over samples 0, sample_every, ... .

    footage: by flow, the same frames in each.
    """
    model.eval()
    streams: list[tuple[str, Modality, Footage]] = [(RGB, "rgb", next(iter(footage.values())))]
    streams += [(flow, "flow", each) for flow, each in footage.items()]
    return {
        name: _stream_scores(model, modality, each, sample_every, side, precision, progress)
        for name, modality, each in streams
    }


def bound_to(clip: StoredClip, flows: Sequence[str]) -> dict[str, Footage]:
    """A stored clip as footage by flow."""
    return {flow: clip.with_flow(flow) for flow in flows}


def rolling_mean(ended: F32, *, segments: int, frames_per_segment: int) -> F32:
    """Score of the segment that ends at each sample -> score of the window that does, [n, C].

    ended: [n, C]; those of the first k - 1 samples are of a partial segment. The window has as
    many whole segments as there are, up to N, and the partial one before the first.
    """
    k = frames_per_segment
    rolling = ended.copy()
    for back in range(1, segments):
        newer = rolling[(back + 1) * k - 1 :]  # samples with a whole segment back·k samples ago
        newer += ended[k - 1 :][: len(newer)]
    whole = (np.arange(len(ended)) + 1) // k
    return np.asarray(rolling / whole.clip(1, segments)[:, None].astype(np.float32))


def segment_scores(
    head: KeyFrameExploration, features: F32, before: F32, frames_per_segment: int
) -> F32:
    """The score of the segment that ends at each of some samples: features [m, D] -> [m, C].

    before: the features of the samples just before, k - 1 or more of them, or as many as there
    are. A segment that begins before the first sample of all is partial: it begins there.
    """
    k = frames_per_segment
    before = before[max(0, len(before) - (k - 1)) :]
    device = head.classifier.weight.device
    held = torch.from_numpy(np.concatenate([before, features])).to(device)  # [b + m, D]
    partial = min(k - 1, len(held))
    with torch.inference_mode():
        # Only at the very start are there fewer than k samples.
        parts = [head(held[None, None, : end + 1])[0][0] for end in range(len(before), partial)]
        if len(held) >= k:
            windows = held.unfold(0, k, 1).transpose(1, 2)  # [b + m - k + 1, k, D]
            scores, _ = head(windows[:, None])  # [.., 1, C]
            parts.append(scores[:, 0])
    return np.asarray(torch.cat(parts).cpu().numpy())


def _stream_scores(
    model: StaTsn,
    modality: Modality,
    footage: Footage,
    sample_every: int,
    side: int,
    precision: str,
    progress: Progress,
) -> F32:
    """Rolling scores [n, C] of one stream."""
    samples = range(0, footage.ticks, sample_every)
    head: KeyFrameExploration = getattr(model, f"{modality}_head")
    k = model.frames_per_segment
    before = np.empty((0, head.lstm.input_size), np.float32)
    parts = []
    with progress.task(f"{modality} of a stream", len(samples)) as advance:
        for start in range(0, len(samples), _CHUNK):
            ticks = samples[start : start + _CHUNK]
            features = clip_features(
                getattr(model, modality),
                modality,
                footage,
                side=side,
                ticks=ticks,
                precision=precision,
            )
            parts.append(segment_scores(head, features, before, k))
            before = np.concatenate([before, features])[-k:]
            for _ in ticks:
                advance()
    return rolling_mean(np.concatenate(parts), segments=model.segments, frames_per_segment=k)


def kept_scores(path: Path, names: Sequence[str], compute: Callable[[], Scores]) -> Scores:
    """Scores by `names`, read from the file `path` where an earlier call has written them there.

    Raises OutputError where they can't be written.
    """
    if path.is_file():
        with np.load(path) as arrays:
            if set(names) <= set(arrays.files):
                return {name: arrays[name] for name in names}
    found = compute()
    part = path.with_suffix(".part.npz")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays_by_name: dict[str, Any] = {name: found[name] for name in names}
        np.savez(part, **arrays_by_name)
        part.replace(path)
    except OSError as error:
        raise OutputError(
            f"{path} can't be written ({error.strerror}): free some space and run again."
        ) from error
    return found
