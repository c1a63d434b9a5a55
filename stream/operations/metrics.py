"""The metrics, in the text format of Prometheus: one snapshot in, one page out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import get_args

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from stream.messaging.messages import Shed, State
from stream.operations.histogram import BOUNDS_S, HistogramCounts
from stream.operations.snapshot import Snapshot

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


def page(snapshot: Snapshot) -> bytes:
    """The metrics of this moment."""
    registry = CollectorRegistry()  # of its own: the library's global one has other things
    registry.register(SnapshotCollector(snapshot))
    return generate_latest(registry)


class SnapshotCollector(Collector):
    """Makes families of what the snapshot holds. Names and labels are bounded by configuration."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot

    def describe(self) -> Iterable[Metric]:
        """Nothing: names need no check against those of other collectors, since there are none."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """Every family."""
        yield from self._of_the_daemon()
        yield from self._of_cameras()
        yield from self._of_published()
        yield from self._of_sinks()

    def _of_the_daemon(self) -> Iterator[Metric]:
        meta, beat = self._snapshot.meta, self._snapshot.heartbeat
        build = {
            "version": meta.versions["gesta"],
            "bundle": meta.model.bundle,
            "sha256": meta.model.sha256,
            "runner": meta.model.runner,
            "precision": meta.model.precision,
            "flow": meta.model.flow,
        }
        built = GaugeMetricFamily(
            "gesta_build_info", "What runs here; the value is always 1.", labels=list(build)
        )
        built.add_metric(list(build.values()), 1)
        yield built
        yield GaugeMetricFamily("gesta_uptime_seconds", "Since the start.", beat.uptime_s)
        yield GaugeMetricFamily(
            "gesta_resident_memory_bytes",
            "What the daemon holds, with its capture processes.",
            beat.memory.rss_bytes,
        )
        yield GaugeMetricFamily(
            "gesta_bundle_predictions_per_second",
            "How many the bundle makes of a camera where nothing is lost.",
            meta.grid.prediction_hz,
        )
        if beat.last_inference_age_s is not None:
            yield GaugeMetricFamily(
                "gesta_last_inference_age_seconds",
                "Since the engine was last done with a step; rises while it is stuck.",
                beat.last_inference_age_s,
            )
        shedding = GaugeMetricFamily(
            "gesta_shedding",
            "1 for what is left out since the machine is too slow: nothing, samples or flow.",
            labels=["what"],
        )
        for what in get_args(Shed):
            shedding.add_metric([what], what == beat.shedding)
        yield shedding
        yield GaugeMetricFamily(
            "gesta_config_last_reload_successful",
            "0 where the last configuration read was refused, and an older one goes on.",
            self._snapshot.configuration_taken,
        )
        yield GaugeMetricFamily("gesta_open_events", "Events that go on.", beat.open_events)
        yield GaugeMetricFamily(
            "gesta_unstored_event_changes",
            "Changes of events that wait until the store can be written again.",
            beat.queues.get("unstored", 0),
        )

    def _of_cameras(self) -> Iterator[Metric]:
        def gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
            return GaugeMetricFamily(name, text, labels=["camera", *labels])

        def counter(name: str, text: str, *labels: str) -> CounterMetricFamily:
            return CounterMetricFamily(name, text, labels=["camera", *labels])

        state = gauge("gesta_camera_state", "1 for the state that the camera is in.", "state")
        age = gauge("gesta_camera_last_frame_age_seconds", "Since the camera's last frame.")
        frames = gauge("gesta_camera_frames_per_second", "Frames that came in, lately.")
        rate = gauge("gesta_camera_predictions_per_second", "Predictions published, lately.")
        dropped = counter("gesta_dropped_frames_total", "Frames not used, by cause.", "cause")
        reconnects = counter("gesta_reconnects_total", "How often the camera came back.")
        epoch = gauge("gesta_stream_epoch", "Rises with each interruption of the stream.")
        queue = gauge("gesta_sample_queue_depth", "Samples that wait for the engine.")
        for health in self._snapshot.heartbeat.cameras:
            camera = health.camera
            is_in = self._snapshot.state(camera)
            for each in get_args(State):
                state.add_metric([camera, each], each == is_in)
            if health.last_frame_age_s is not None:
                age.add_metric([camera], health.last_frame_age_s)
            frames.add_metric([camera], health.captured_fps)
            rate.add_metric([camera], health.predictions_hz)
            for cause, count in sorted(health.dropped.items()):
                dropped.add_metric([camera, cause], count)
            status = self._snapshot.statuses.get(camera)
            reconnects.add_metric([camera], 0 if status is None else status.reconnects)
            epoch.add_metric([camera], health.stream_epoch)
            queue.add_metric([camera], health.queue_depth)
        yield from (state, age, frames, rate, dropped, reconnects, epoch, queue)

    def _of_published(self) -> Iterator[Metric]:
        predictions = CounterMetricFamily(
            "gesta_predictions_total", "Predictions published.", labels=["camera"]
        )
        latency = HistogramMetricFamily(
            "gesta_capture_to_publish_seconds",
            "From when the camera saw a prediction's newest frame until it was published.",
            labels=["camera"],
        )
        for camera, counts in self._snapshot.latencies.items():
            predictions.add_metric([camera], counts.at_most[-1])
            latency.add_metric([camera], _buckets(counts), counts.sum_s)
        events = CounterMetricFamily(
            "gesta_events_total", "Events that began or ended.", labels=["rule", "phase"]
        )
        for key, count in self._snapshot.events.items():
            events.add_metric(key, count)
        missing = CounterMetricFamily(
            "gesta_evidence_errors_total",
            "Events of which not all the evidence could be kept.",
            labels=["camera"],
        )
        for camera, count in self._snapshot.evidence_errors.items():
            missing.add_metric([camera], count)
        yield from (predictions, latency, events, missing)

    def _of_sinks(self) -> Iterator[Metric]:
        backlog = GaugeMetricFamily(
            "gesta_sink_backlog",
            "Changes of events that a receiver is still to be told of, as of the last attempt.",
            labels=["sink"],
        )
        failing = GaugeMetricFamily(
            "gesta_sink_failing",
            "1 where the last attempt to tell a receiver, or to connect to it, failed.",
            labels=["sink"],
        )
        for name, delivery in self._snapshot.deliveries.items():
            backlog.add_metric([name], delivery.backlog)
            failing.add_metric([name], delivery.failing)
        yield from (backlog, failing)


def _buckets(counts: HistogramCounts) -> list[tuple[str, float]]:
    bounds = [*map(str, BOUNDS_S), "+Inf"]
    return [(bound, float(count)) for bound, count in zip(bounds, counts.at_most, strict=True)]
