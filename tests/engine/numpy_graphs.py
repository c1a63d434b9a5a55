"""The four graphs in NumPy: small enough to check by eye, and a reference without lanes."""

from dataclasses import dataclass, replace

import numpy as np

from engine.calibration import softmax
from engine.graphs import Graphs
from engine.lanes import CLEARED_LOGIT
from engine.manifest import Manifest

PRECISION = "fp32"


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


@dataclass(frozen=True)
class HeadWeights:
    """LSTM (gates in torch's order i, f, g, o), temporal attention, classifier."""

    W_ih: np.ndarray  # [4H,D]
    W_hh: np.ndarray  # [4H,H]
    bias: np.ndarray  # [4H]
    w_attention: np.ndarray  # [H]
    W_class: np.ndarray  # [C,D]
    b_class: np.ndarray  # [C]

    @classmethod
    def random(cls, manifest: Manifest, seed: int) -> "HeadWeights":
        draw = np.random.default_rng(seed)
        H, D, C = manifest.hidden_width, manifest.feature_width, len(manifest.classes)
        shapes = ((4 * H, D), (4 * H, H), (4 * H,), (H,), (C, D), (C,))
        weights = cls(*(draw.normal(0, 1, shape).astype(np.float32) for shape in shapes))
        weights.w_attention[:] *= 3  # so that attention is far from uniform
        return weights

    def lstm(self, feature, h, c):
        """feature [...,D], h and c [...,H] -> the next h and c."""
        gates = feature @ self.W_ih.T + h @ self.W_hh.T + self.bias
        i, f, g, o = np.split(gates, 4, axis=-1)
        c = _sigmoid(f) * c + _sigmoid(i) * np.tanh(g)
        return _sigmoid(o) * np.tanh(c), c

    def segment(self, features):
        """One segment from zero, by the paper: features [n,D] -> (score [C], beta [n])."""
        h = c = np.zeros(len(self.w_attention), np.float32)
        logits = []
        for feature in features:
            h, c = self.lstm(feature, h, c)
            logits.append(h @ self.w_attention)
        beta = softmax(np.array(logits))
        return self.W_class @ (beta @ features) + self.b_class, beta

    def rolling(self, features, manifest: Manifest):
        """Design section 4 for the newest of `features` [t+1,D], without lanes -> P [C], beta."""
        k, N = manifest.frames_per_segment, manifest.segments
        whole = min(len(features) // k, N)
        parts = np.split(features[len(features) - whole * k :], whole) if whole else [features]
        scores, betas = zip(*(self.segment(part) for part in parts), strict=True)
        return np.mean(scores, axis=0), np.concatenate(betas)


class NumpyHead:
    """The head graph: one lane step for a batch of any size."""

    device = "numpy"
    precision = PRECISION
    batches = (1, 4)

    def __init__(self, weights: HeadWeights) -> None:
        self.weights = weights
        self.rows: list[int] = []  # of every run so far

    def run(self, inputs):
        features, lane = inputs["features"], inputs["lane"]
        h, c, m, l, a = (inputs[name].copy() for name in "hcmla")  # noqa: E741
        self.rows.append(len(features))
        begins = lane[:, None] == np.arange(m.shape[1])  # [B,k]
        h[begins] = c[begins] = a[begins] = 0
        m[begins], l[begins] = CLEARED_LOGIT, 0
        h, c = self.weights.lstm(features[:, None], h, c)
        logits = h @ self.weights.w_attention
        largest = np.maximum(m, logits)
        kept, weight = np.exp(m - largest), np.exp(logits - largest)
        l = kept * l + weight  # noqa: E741
        a = kept[..., None] * a + weight[..., None] * features[:, None]
        scores = (a / l[..., None]) @ self.weights.W_class.T + self.weights.b_class
        state = {"h_out": h, "c_out": c, "m_out": largest, "l_out": l, "a_out": a}
        outputs = {**state, "segment_scores": scores, "logits": logits}
        return {name: array.astype(np.float32) for name, array in outputs.items()}

    def close(self) -> None:
        pass


class NumpyCnn:
    """A stand-in for a CNN: features are a fixed projection of the whole picture."""

    device = "numpy"
    precision = PRECISION
    batches = (1,)

    def __init__(self, manifest: Manifest, shape, seed: int) -> None:
        draw = np.random.default_rng(seed)
        self.projection = draw.normal(0, 1, (int(np.prod(shape)), manifest.feature_width))
        self.drift = 0.0
        self.rows: list[int] = []  # of every run so far

    def run(self, inputs):
        self.rows.append(len(inputs["frames"]))
        flat = inputs["frames"].reshape(len(inputs["frames"]), -1) / 127.5 - 1
        maps = flat[:, :4].reshape(-1, 2, 2)
        return {
            "features": (flat @ self.projection / 8 + self.drift).astype(np.float32),
            "attention": softmax(maps.reshape(-1, 4)).reshape(-1, 2, 2).astype(np.float32),
        }

    def close(self) -> None:
        pass


def numpy_graphs(manifest: Manifest) -> Graphs:
    size = manifest.input_size
    return Graphs(
        rgb=NumpyCnn(manifest, (size, size, 3), seed=1),
        flow=NumpyCnn(manifest, (manifest.flow_channels, size, size), seed=2),
        rgb_head=NumpyHead(HeadWeights.random(manifest, seed=3)),
        flow_head=NumpyHead(HeadWeights.random(manifest, seed=4)),
        device="numpy",
        precision=PRECISION,
        engine="numpy",
    )


def drifting(graphs: Graphs, by: float) -> Graphs:
    """The same graphs with an RGB stream whose features are off by `by`."""
    cnn = NumpyCnn.__new__(NumpyCnn)
    cnn.projection, cnn.drift, cnn.rows = graphs.rgb.projection, by, []
    return replace(graphs, rgb=cnn)
