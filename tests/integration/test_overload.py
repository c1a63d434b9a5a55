"""A camera faster than the machine: samples are shed and counted, and latency stays bounded."""

from __future__ import annotations

import os
import statistics
from pathlib import Path

import pytest

from tests.integration.conftest import random_bundle, write_clip
from tests.integration.processes import Daemon, Message, gapless

LASTS_S = 15.0
BOUND_MS = 3000.0  # of which a free machine takes a fifth


@pytest.fixture(scope="module")
def heavy_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Asks for 100 predictions a second of two ResNet-18: a core manages some twenty."""
    folder = tmp_path_factory.mktemp("bundles") / "heavy"
    return random_bundle(
        folder, seed=2, backbone="resnet18", input_size=160, resize=(224, 176),
        grid_fps=100.0, segments=3, frames_per_segment=10, sample_every=1,
    )  # fmt: skip


@pytest.fixture(scope="module")
def fast_clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_clip(tmp_path_factory.mktemp("clips") / "fast.mp4", frames=100, fps=100)


def latency_ms(prediction: Message) -> float:
    value: float = prediction["time"]["latency_ms"]["capture_to_publish"]
    return value


def test_samples_are_shed_and_latency_stays_bounded(heavy_bundle: Path, fast_clip: Path) -> None:
    core = min(os.sched_getaffinity(0))
    given = ("--realtime", "--loop", "--bundle", heavy_bundle)
    # One core, so that the fastest of machines is too slow.
    with Daemon(fast_clip, *given, cores={core}) as daemon:
        daemon.predictions(5, timeout_s=90)
        overloaded = daemon.status("live", "OVERLOAD", timeout_s=60)
        assert "shed" in overloaded["detail"]
        heard = len(daemon.messages.of("prediction"))
        beats = len(daemon.messages.of("heartbeat"))
        daemon.wait_for(
            lambda: len(daemon.messages.of("heartbeat")) >= beats + LASTS_S, "heartbeats", 60
        )
        assert daemon.stop() == 0
    predictions = daemon.messages.of("prediction")[heard:]
    assert gapless(predictions)
    dropped = [sum(p["dropped"].values()) for p in predictions]
    assert dropped == sorted(dropped)
    assert dropped[-1] - dropped[0] > 100
    assert predictions[-1]["dropped"]["shed"] > 0
    windows = [p["window"] for p in predictions]
    assert any(window["shed"] for window in windows)
    assert not any(window["complete"] for window in windows if window["shed"])
    assert all(window["frames"] <= 30 for window in windows)
    third = len(predictions) // 3
    first, last = predictions[:third], predictions[-third:]
    early_ms, late_ms = (statistics.median(map(latency_ms, part)) for part in (first, last))
    assert late_ms < 1.5 * early_ms + 100
    p50_ms, *_, p99_ms = statistics.quantiles(map(latency_ms, predictions), n=100)[49:]
    print(f"\n{len(predictions)} predictions: latency p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms")
    assert p99_ms < BOUND_MS
    depths = [beat["cameras"][0]["queue_depth"] for beat in daemon.messages.of("heartbeat")]
    assert max(depths) <= 30  # 0.3 s


def test_frames_between_ticks_are_thinned(light_bundle: Path, tmp_path: Path) -> None:
    """50 fps on a grid of 25: half of them, counted, and no sample is lost."""
    clip = write_clip(tmp_path / "fifty.mp4", frames=100, fps=50)
    with Daemon(clip, "--bundle", light_bundle) as daemon:
        assert daemon.wait(60) == 0
        predictions = daemon.predictions(10)
    assert len(predictions) == 11  # 2 s at 5 Hz; the last frame, at 49.5, is of tick 50
    assert predictions[-1]["dropped"]["thinned"] == pytest.approx(49, abs=1)
    assert predictions[-1]["dropped"].get("shed", 0) == 0


def test_slow_camera_repeats_and_says_so(light_bundle: Path, tmp_path: Path) -> None:
    """3 fps on a grid of 25: every fifth tick is a sample, and one in five of those has a frame."""
    clip = write_clip(tmp_path / "three.mp4", frames=24, fps=3)
    with Daemon(clip, "--bundle", light_bundle) as daemon:
        assert daemon.wait(60) == 0
        predictions = daemon.predictions(30)
    repeated = [p["window"]["repeated"] / p["window"]["frames"] for p in predictions[8:]]
    assert statistics.mean(repeated) == pytest.approx(0.8, abs=0.05)
    assert {p["stream_epoch"] for p in predictions} == {0}
