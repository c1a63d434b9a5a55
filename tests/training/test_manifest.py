"""What the manifest says of what was measured, and metrics.json written and read again."""

from pathlib import Path
from typing import Any

import pytest

from engine.manifest import Manifest
from training.commands import find_recipe
from training.errors import DataError, OutputError
from training.evaluation.results import (
    AlarmRate,
    IdleResult,
    Metrics,
    OfStreams,
    Result,
    read_metrics,
)
from training.export import make_manifest
from training.manifest import manifest_fields

RECIPE = find_recipe("jhmdb-scenes")


def _result(flow: str, fused: float, **given: Any) -> Result:
    number = OfStreams(fused=fused, rgb=0.5, flow=0.6)
    fields: dict[str, Any] = {
        "data_set": "jhmdb",
        "split": "split 1 test",
        "protocol": "global",
        "crops": 1,
        "flow": flow,
        "unit": "clips",
        "count": 268,
        "accuracy": number,
        "mean_average_precision": 0.7,
        "mean_confidence": 0.8,
        "calibration_error": number,
        "calibration_error_before": number,
        "average_precision": {"walk": 0.25, "idle": None},
    }
    return Result(**{**fields, **given})


METRICS = Metrics(
    classes=RECIPE.classes,
    results=(
        _result("dis", 0.75),
        _result("dis", 0.74, protocol="grid"),
        _result("dis", 0.77, crops=10),
        _result("tvl1", 0.78),
    ),
    idle=(
        IdleResult(
            data_set="street",
            flow="dis",
            videos=1,
            duration_s=78.0,
            allowed=("walk", "idle"),
            min_duration_s=0.5,
            fitted=False,
            wrong_samples=0.1,
            rates=(AlarmRate(threshold=0.5, alarms=1, per_hour=3600 / 78, labels={"run": 1}),),
        ),
    ),
)


def _manifest(metrics: Metrics | None) -> Manifest:
    config = RECIPE.model_config("none")
    return make_manifest(config, manifest_fields(RECIPE, metrics))


def test_each_number_says_how_it_was_measured() -> None:
    found = {
        (entry.protocol, entry.streams, entry.note): entry.value
        for entry in _manifest(METRICS).accuracy
    }
    assert found["global", "rgb+flow", "268 clips, one crop, flow dis"] == 0.75
    assert found["global", "rgb+flow", "268 clips, 10 crops, flow dis"] == 0.77
    assert found["grid", "flow", "268 clips, one crop, flow dis"] == 0.6
    assert found["global", "rgb+flow", "268 clips, one crop, flow tvl1"] == 0.78
    # RGB has no flow: once for each protocol, not once more for each flow.
    assert sum(streams == "rgb" for _, streams, _ in found) == 3
    assert found["global", "rgb", "268 clips, one crop"] == 0.5


def test_a_flow_has_the_accuracy_of_one_crop_spread_over_the_clip() -> None:
    assert _manifest(METRICS).flows["dis"].accuracy == 0.75
    assert _manifest(None).flows["dis"].accuracy is None


def test_metrics_are_read_as_they_were_written(tmp_path: Path) -> None:
    path = tmp_path / "metrics.json"
    METRICS.write(path)
    assert read_metrics(path) == METRICS
    path.write_text('{"accuracy": 1}', encoding="utf-8")
    with pytest.raises(DataError, match="evaluate"):
        read_metrics(path)
    with pytest.raises(DataError, match="evaluate"):
        read_metrics(tmp_path / "nothing.json")
    with pytest.raises(OutputError, match="can't be written"):
        METRICS.write(path / "metrics.json")
