"""What the paper reports: accuracy in percent, Tables 2 and 3 of Yang et al. (2022).

ResNet-152 from ImageNet weights at 224 px, TV-L1 flow, 30 frames by global sampling, 10 crops.
"""

from __future__ import annotations

from collections.abc import Mapping

STREAMS = ("rgb", "flow", "rgb+flow")  # the order of every triple below
MAP = "mAP"  # mean average precision, of two streams

_Triple = tuple[float, float, float]

# Table 2, split 1: data set -> model -> RGB, flow, two streams.
TABLE_2: Mapping[str, Mapping[str, _Triple]] = {
    "ucf101": {
        "CNN": (82.3, 84.2, 91.6),
        "SA-CNN": (82.8, 84.5, 91.9),
        "SA-CNN+TSN": (82.7, 87.6, 92.1),
        "STA-TSN": (83.4, 86.5, 92.8),
    },
    "hmdb51": {
        "CNN": (51.5, 57.2, 67.5),
        "SA-CNN": (52.4, 56.7, 67.6),
        "SA-CNN+TSN": (50.1, 59.5, 67.2),
        "STA-TSN": (53.9, 56.6, 68.6),
    },
    "jhmdb": {
        "CNN": (54.5, 64.2, 72.8),
        "SA-CNN": (56.0, 64.6, 73.2),
        "SA-CNN+TSN": (56.7, 65.3, 78.0),
        "STA-TSN": (58.6, 69.8, 81.0),
    },
}

# Table 2's last two columns, two streams only: model -> accuracy, mean average precision.
TABLE_2_THUMOS14: Mapping[str, tuple[float, float]] = {
    "SA-CNN+TSN": (56.8, 63.5),
    "STA-TSN": (58.6, 68.4),
}

# Table 3, STA-TSN: data set -> stream -> splits 1, 2 and 3, and their mean as printed there.
TABLE_3: Mapping[str, Mapping[str, tuple[float, float, float, float]]] = {
    "ucf101": {
        "rgb": (83.4, 81.5, 81.2, 82.1),
        "flow": (86.5, 89.8, 89.7, 88.7),
        "rgb+flow": (92.8, 92.9, 94.2, 93.3),
    },
    "hmdb51": {
        "rgb": (53.9, 49.8, 49.3, 51.0),
        "flow": (56.6, 58.2, 59.8, 58.2),
        "rgb+flow": (68.6, 67.2, 68.0, 67.9),
    },
    "jhmdb": {
        "rgb": (58.6, 55.2, 54.3, 56.0),
        "flow": (69.8, 66.3, 67.6, 67.9),
        "rgb+flow": (81.0, 77.1, 77.0, 78.4),
    },
}


def reported(data_set: str, model: str, splits: tuple[int, ...]) -> dict[str, float]:
    """What the paper has for `model` on these splits, by stream; empty where it has nothing.

    Several splits: the mean over all three, which it gives for STA-TSN only.
    """
    if data_set == "thumos14" and model in TABLE_2_THUMOS14:
        return dict(zip(("rgb+flow", MAP), TABLE_2_THUMOS14[model], strict=True))
    if splits == (1,) and model in TABLE_2.get(data_set, {}):
        return dict(zip(STREAMS, TABLE_2[data_set][model], strict=True))
    if model == "STA-TSN" and data_set in TABLE_3:
        columns = {(1,): 0, (2,): 1, (3,): 2, (1, 2, 3): 3}
        if splits in columns:
            return {name: row[columns[splits]] for name, row in TABLE_3[data_set].items()}
    return {}
