"""Nothing grows: memory, threads, open files and latency of a daemon that works hard for long.

GESTA_SOAK_S sets the seconds, 60 by default; `make soak` takes ten minutes.
"""

from __future__ import annotations

import os
import statistics
import time
from pathlib import Path

import psutil
import pytest

from tests.integration.processes import Daemon, Message
from tests.rtsp_server import RtspServer

SOAK_S = float(os.environ.get("GESTA_SOAK_S", "60"))
WARM_UP_S = min(0.2 * SOAK_S, 120.0)
RECONNECT_EVERY_S = max(10.0, SOAK_S / 20)
GROWTH_BYTES = 20_000_000

pytestmark = [pytest.mark.soak, pytest.mark.timeout(SOAK_S + 300)]


def test_nothing_grows(light_bundle: Path, clip: Path) -> None:
    """A file as fast as it is read, over and over, beside a camera that drops its connections."""
    latencies_ms: list[float] = []

    def keep(message: Message) -> bool:
        """Of predictions the camera's latency alone, or else the test itself would grow."""
        if message["type"] == "prediction":
            if message["camera"] == "cam1":
                latencies_ms.append(message["time"]["latency_ms"]["capture_to_publish"])
            return len(latencies_ms) < 10
        return True

    with (
        RtspServer(fps=50) as server,
        # The file's option is the camera's too, and means nothing to it.
        Daemon(clip, server.url, "--loop", "--bundle", light_bundle, keep=keep) as daemon,
    ):
        daemon.predictions(2, camera="cam1", timeout_s=60)
        process = psutil.Process(daemon.pid)
        began_s = dropped_s = time.monotonic()
        rss_bytes: list[int] = []
        threads: list[int] = []
        files: list[int] = []
        while (gone_s := time.monotonic() - began_s) < SOAK_S:
            time.sleep(0.5)
            assert daemon.running, daemon.stderr
            if time.monotonic() - dropped_s > RECONNECT_EVERY_S:
                dropped_s = time.monotonic()
                server.drop()
            if gone_s > WARM_UP_S:
                rss_bytes.append(process.memory_info().rss)
                threads.append(process.num_threads())
                files.append(process.num_fds())
        beats = daemon.messages.of("heartbeat")
        reconnects = daemon.messages.of("status", "cam1")[-1]["reconnects"]
        assert daemon.stop() == 0

    p50_ms, *_, p99_ms = statistics.quantiles(latencies_ms, n=100)[49:]
    growth_bytes = max(rss_bytes) - rss_bytes[0]
    print(
        f"\nsoak of {SOAK_S:.0f} s: {len(latencies_ms)} predictions of a camera at latency "
        f"p50 {p50_ms:.0f} ms, p99 {p99_ms:.0f} ms; {reconnects} reconnects; "
        f"memory {rss_bytes[0] / 1e6:.0f} MB after {WARM_UP_S:.0f} s, then at most "
        f"{growth_bytes / 1e6:+.1f} MB; threads {min(threads)}-{max(threads)}, "
        f"files {min(files)}-{max(files)}"
    )
    assert growth_bytes <= GROWTH_BYTES
    # A connection that is being made has a socket and a decoder more, or less.
    middle = len(threads) // 2
    assert statistics.median(threads[middle:]) <= statistics.median(threads[:middle]) + 1
    assert statistics.median(files[middle:]) <= statistics.median(files[:middle]) + 1
    assert max(files) - min(files) <= 8
    assert reconnects >= SOAK_S // RECONNECT_EVERY_S - 2
    assert all(beat["cameras"][1]["queue_depth"] <= 16 for beat in beats)
    third = len(latencies_ms) // 3
    early_ms, late_ms = (
        statistics.median(part) for part in (latencies_ms[:third], latencies_ms[-third:])
    )
    assert late_ms < 2 * early_ms + 100
