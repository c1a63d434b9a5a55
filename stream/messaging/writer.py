"""Turns what was recognised into the messages about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import cv2
import numpy as np

from engine.arrays import F32, U8
from engine.manifest import Manifest
from engine.recogniser import Recognition
from stream.events.event import Event
from stream.events.report import facts
from stream.messaging.envelope import Envelope
from stream.messaging.messages import (
    Attention,
    EventChange,
    Explain,
    JpegBlob,
    Latency,
    MapBlob,
    Model,
    Prediction,
    Time,
    TopLabel,
    Window,
    utc,
)
from stream.samples import StreamSample

TOP = 5  # labels named in a prediction
JPEG_QUALITY = 80


def shortest(probabilities: F32) -> tuple[float, ...]:
    """Numbers whose decimal form is the shortest that reads back as the same float32.

    A softmax may end one rounding step above 1; what is published does not.
    """
    return tuple(map(float, map(str, np.minimum(probabilities, np.float32(1)))))


class Writer:
    """Writes predictions, explanations and changes of events.

    Args:
        envelope: signs and numbers them.
        manifest: the bundle's, for the labels and the grid.
        model: what computes the predictions.
        clock_ns: monotonic, the one that marked the samples.
    """

    def __init__(
        self,
        *,
        envelope: Envelope,
        manifest: Manifest,
        model: Model,
        clock_ns: Callable[[], int],
    ) -> None:
        self._envelope = envelope
        self._manifest = manifest
        self._model = model
        self._clock_ns = clock_ns

    def prediction(
        self, sample: StreamSample, recognition: Recognition, *, taken_ns: int, done_ns: int
    ) -> Prediction:
        """The prediction of one sample.

        Args:
            taken_ns, done_ns: monotonic marks, when inference took the sample and was done with it.
        """
        manifest = self._manifest
        frames = round(recognition.fill * manifest.window_samples)
        window_ns = round((frames - 1) * manifest.sample_every * 1e9 / manifest.grid_fps)
        probabilities = shortest(recognition.probabilities)
        return Prediction(
            **self._envelope.fields("prediction", recognition.camera, recognition.epoch),
            time=Time(
                capture_start=utc(sample.capture_ns - window_ns),
                capture_end=utc(sample.capture_ns),
                position_s=round(recognition.tick / manifest.grid_fps, 6),
                clock=sample.clock,
                uncertainty_ms=sample.uncertainty_ms,
                latency_ms=self._latency(sample, recognition, taken_ns, done_ns),
            ),
            window=Window(
                frames=frames,
                fill=recognition.fill,
                complete=recognition.complete,
                repeated=recognition.repeated,
                shed=recognition.shed,
            ),
            dropped=dict(sample.dropped),
            modality="rgb" if recognition.p_flow is None else "rgb+flow",
            probabilities=probabilities,
            top=self._top(recognition, probabilities),
            abstain=recognition.abstain,
            entropy=recognition.entropy,
            attention=Attention(temporal=shortest(recognition.temporal_attention)),
            model=self._model,
            truth=sample.truth,
        )

    def explain(
        self, sample: StreamSample, recognition: Recognition, prediction: Prediction, frame: U8
    ) -> tuple[Explain, list[bytes]]:
        """Where the model looked, with its blobs: the frame's JPEG, each stream's attention map.

        Args:
            frame: U8[h,w,3] RGB, the newest at model scale.
        """
        height, width = frame.shape[:2]
        rgb, rgb_bytes = _map(recognition.spatial_rgb, blob=1)
        blobs = [_jpeg(frame), rgb_bytes]
        flow: MapBlob | None = None
        if recognition.spatial_flow is not None:
            flow, flow_bytes = _map(recognition.spatial_flow, blob=2)
            blobs.append(flow_bytes)
        message = Explain(
            **self._envelope.fields("explain", recognition.camera, recognition.epoch),
            prediction_seq=prediction.seq,
            capture_end=utc(sample.capture_ns),
            frame=JpegBlob(blob=0, width=width, height=height, crop=self._manifest.crop),
            attention_rgb=rgb,
            attention_flow=flow,
        )
        return message, blobs

    def event(self, event: Event, sequence: int | None) -> EventChange:
        """A change of an event. sequence: its number in the store, where it is stored."""
        return EventChange(
            **self._envelope.fields("event", event.camera),
            sequence=sequence,
            **facts(event),
        )

    def _top(self, recognition: Recognition, p: Sequence[float]) -> tuple[TopLabel, ...]:
        # Stable, so that equal probabilities keep the classes' order on every machine.
        order = np.argsort(-recognition.probabilities, kind="stable")[:TOP]
        p_rgb = shortest(recognition.p_rgb[order])
        p_flow: Sequence[float | None] = (
            [None] * len(order)
            if recognition.p_flow is None
            else shortest(recognition.p_flow[order])
        )
        return tuple(
            TopLabel(label=self._manifest.classes[i], p=p[i], p_rgb=by_rgb, p_flow=by_flow)
            for i, by_rgb, by_flow in zip(order.tolist(), p_rgb, p_flow, strict=True)
        )

    def _latency(
        self, sample: StreamSample, recognition: Recognition, taken_ns: int, done_ns: int
    ) -> Latency:
        marks, stages = sample.monotonic_ns, recognition.stage_ms
        return Latency(
            capture=_ms(marks["sampled"] - marks["captured"]),
            queue=_ms(taken_ns - marks["sampled"]),
            rgb=round(stages["rgb"], 3),
            flow=round(stages["flow"], 3),
            head=round(stages["head"], 3),
            publish=_ms(self._clock_ns() - done_ns),
            capture_to_publish=_ms(self._envelope.now_ns() - sample.capture_ns),
        )


def _ms(duration_ns: int) -> float:
    return round(duration_ns / 1e6, 3)


def _map(attention: F32, *, blob: Literal[1, 2]) -> tuple[MapBlob, bytes]:
    """uint8 rows of the map, scaled so that its peak is 255."""
    height, width = attention.shape
    peak = float(attention.max())
    scaled: U8 = np.rint(attention * (255.0 / max(peak, 1e-12))).astype(np.uint8)
    return MapBlob(blob=blob, width=width, height=height, peak=min(peak, 1.0)), scaled.tobytes()


def _jpeg(frame: U8) -> bytes:
    bgr = cv2.cvtColor(frame, cv2.COLOR_RGB2BGR)
    ok, encoded = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    if not ok:
        raise RuntimeError(f"OpenCV could not encode a frame of {frame.shape} as JPEG")
    return bytes(encoded)
