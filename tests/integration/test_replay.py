"""`gesta replay`: the same numbers each time, the daemon's numbers, and the offline numbers."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import torch

import stream.messaging
from engine.bundle import Bundle
from tests.integration.offline import answer, decoded, features_of, on_grid, windows_of
from tests.integration.processes import Daemon, Message, gapless, gesta
from training.export import load_bundle

OF_THIS_RUN = ("id", "boot", "seq", "published_at", "camera")
OF_THIS_CLOCK = ("capture_start", "capture_end", "latency_ms")
SCHEMAS = Path(stream.messaging.__file__).parent / "schemas"


def replayed(file: Path, bundle: Path) -> list[Message]:
    done = gesta("replay", file, "--json", "--bundle", bundle, "--precision", "fp32")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def predictions(clip: Path, small_bundle: Path) -> list[Message]:
    return replayed(clip, small_bundle)


def numbers(prediction: Message) -> Message:
    """Without what may differ from run to run: ids, clock times, latencies, queues."""
    rest = {key: value for key, value in prediction.items() if key not in OF_THIS_RUN}
    rest["dropped"] = {cause: count for cause, count in prediction["dropped"].items() if count}
    rest["time"] = {k: v for k, v in prediction["time"].items() if k not in OF_THIS_CLOCK}
    return rest


def test_one_prediction_a_sample(predictions: list[Message]) -> None:
    assert len(predictions) == 75  # of a clip of 75 frames, on a grid of its own rate
    assert gapless(predictions)
    assert [p["window"]["frames"] for p in predictions] == [min(t + 1, 30) for t in range(75)]
    assert [p["window"]["complete"] for p in predictions] == [t >= 29 for t in range(75)]
    assert predictions[-1]["time"]["position_s"] == pytest.approx(74 / 25)
    for prediction in predictions:
        assert sum(prediction["probabilities"]) == pytest.approx(1, abs=1e-4)
        assert prediction["stream_epoch"] == 0
        assert prediction["time"]["clock"] == "file"


def test_twice_the_same(predictions: list[Message], clip: Path, small_bundle: Path) -> None:
    again = replayed(clip, small_bundle)
    assert [numbers(p) for p in again] == [numbers(p) for p in predictions]
    assert again[0]["boot"] != predictions[0]["boot"]


def test_daemon_publishes_the_same(
    predictions: list[Message], clip: Path, small_bundle: Path
) -> None:
    with Daemon(clip, "--bundle", small_bundle) as daemon:
        published = daemon.predictions(len(predictions), timeout_s=60)
        assert daemon.wait(30) == 0
    assert [numbers(p) for p in published] == [numbers(p) for p in predictions]


def test_every_line_fits_the_schema(predictions: list[Message]) -> None:
    schema = json.loads((SCHEMAS / "prediction.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    for prediction in predictions:
        validator.validate(prediction)


def test_daemon_messages_fit_their_schemas(light_bundle: Path) -> None:
    with Daemon("scene:?size=320x240", "--explain", "--bundle", light_bundle) as daemon:
        daemon.complete(timeout_s=60)
        daemon.wait_for(lambda: len(daemon.messages.of("heartbeat")) > 1, "two heartbeats")
        assert daemon.stop() == 0
    messages = list(daemon.messages.all)
    assert {m["type"] for m in messages} == {"prediction", "explain", "status", "heartbeat", "meta"}
    for message in messages:
        schema = json.loads((SCHEMAS / f"{message['type']}.json").read_text())
        jsonschema.validate(message, schema, cls=jsonschema.Draft202012Validator)


def test_offline_evaluation_says_the_same(small_bundle: Path, jhmdb_clips: list[Path]) -> None:
    """The command's printed numbers against torch, window by window."""
    clip = jhmdb_clips[-1]
    found = replayed(clip, small_bundle)
    manifest = Bundle.open(small_bundle).manifest
    model = load_bundle(small_bundle)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    features = features_of(model, on_grid(decoded(clip, 100), manifest))
    windows = windows_of(model, features, manifest)
    torch.set_num_threads(threads)
    assert len(found) == len(windows)
    for prediction, window in zip(found, windows, strict=True):
        expected = answer(window, manifest.calibration).probabilities
        np.testing.assert_allclose(prediction["probabilities"], expected, atol=1e-4, rtol=0)
