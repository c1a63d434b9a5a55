"""One real message of each kind, as the tests send and check them."""

from stream.messaging.envelope import Envelope
from stream.messaging.messages import (
    Attention,
    BundleFacts,
    CameraFacts,
    CameraHealth,
    EventChange,
    Explain,
    GridFacts,
    Heartbeat,
    JpegBlob,
    Latency,
    MapBlob,
    Memory,
    Message,
    Meta,
    Model,
    Peak,
    Prediction,
    Rates,
    Status,
    Thresholds,
    Time,
    TopLabel,
    Window,
    utc,
)

NOON_NS = 1_790_000_000_250_000_000  # 2026-09-21T14:13:20.25Z
MODEL = Model(bundle="tiny", sha256="ab" * 32, runner="openvino:CPU", precision="fp32", flow="dis")


def envelope(site: str = "home", node: str = "box") -> Envelope:
    return Envelope(site, node, utc_ns=lambda: NOON_NS)


def prediction(sender: Envelope, camera: str = "cam0", truth: str | None = None) -> Prediction:
    return Prediction(
        **sender.fields("prediction", camera, 0),
        time=Time(
            capture_start=utc(NOON_NS - 1_160_000_000),
            capture_end=utc(NOON_NS),
            position_s=4.0,
            clock="arrival",
            uncertainty_ms=40.0,
            latency_ms=Latency(
                capture=4.0,
                queue=1.0,
                rgb=8.0,
                flow=8.0,
                head=2.0,
                publish=0.2,
                capture_to_publish=24.0,
            ),
        ),
        window=Window(frames=30, fill=1.0, complete=True, repeated=1, shed=0),
        dropped={"thinned": 3, "shed": 0},
        modality="rgb+flow",
        probabilities=(0.75, 0.25),
        top=(
            TopLabel(label="walk", p=0.75, p_rgb=0.7, p_flow=0.8),
            TopLabel(label="idle", p=0.25, p_rgb=0.3, p_flow=0.2),
        ),
        abstain=False,
        entropy=0.5623,
        attention=Attention(temporal=(0.1,) * 30),
        model=MODEL,
        truth=truth,
    )


def event(sender: Envelope, camera: str = "cam0", **changes: object) -> EventChange:
    fields = {
        "event_id": "e1",
        "phase": "start",
        "revision": 0,
        "sequence": 1,
        "rule": "moving",
        "label": "walk",
        "severity": "info",
        "start": utc(NOON_NS),
        "end": None,
        "duration_s": 0.4,
        "onset_uncertainty_s": 1.2,
        "peak": Peak(p=0.75, at=utc(NOON_NS)),
        "thresholds": Thresholds(enter=0.6, exit=0.4, min_duration_s=0.4, merge_gap_s=1.0),
        "end_reason": None,
    }
    return EventChange(**sender.fields("event", camera), **{**fields, **changes})  # type: ignore[arg-type]


def explain(sender: Envelope, camera: str = "cam0") -> Explain:
    return Explain(
        **sender.fields("explain", camera, 0),
        prediction_seq=0,
        capture_end=utc(NOON_NS),
        frame=JpegBlob(blob=0, width=224, height=176, crop=(32, 8, 160, 160)),
        attention_rgb=MapBlob(blob=1, width=5, height=5, peak=0.5),
        attention_flow=MapBlob(blob=2, width=5, height=5, peak=0.25),
    )


def status(
    sender: Envelope, camera: str = "cam0", state: str = "live", **changes: object
) -> Status:
    fields = {
        "state": state,
        "reason": None,
        "detail": "frames are coming",
        "url": "rtsp://user:***@camera.example/stream2",
        "last_frame_age_s": 0.04,
        "rates": Rates(captured_fps=25.0, predictions_hz=25.0),
        "reconnects": 0,
        "next_retry_s": None,
    }
    return Status(**sender.fields("status", camera, 0), **{**fields, **changes})  # type: ignore[arg-type]


def heartbeat(sender: Envelope, cameras: tuple[str, ...] = ("cam0",)) -> Heartbeat:
    fields = sender.fields("heartbeat")
    return Heartbeat(
        **fields,
        interval_s=1.0,
        uptime_s=12.0,
        cameras=tuple(
            CameraHealth(
                camera=camera,
                state="live",
                stream_epoch=0,
                last_frame_age_s=0.04,
                captured_fps=25.0,
                predictions_hz=25.0,
                dropped={"thinned": 0, "shed": 0},
                queue_depth=0,
            )
            for camera in cameras
        ),
        open_events=0,
        last_inference_age_s=0.02,
        queues={"samples:cam0": 0, "results": 0},
        memory=Memory(rss_bytes=250_000_000),
        last_seq=sender.last_seq(),
    )


def meta(sender: Envelope) -> Meta:
    return Meta(
        **sender.fields("meta"),
        classes=("walk", "idle"),
        bundle=BundleFacts(
            name="tiny", version="1", sha256="ab" * 32, backbone="mobilenet_v2", licence="CC0-1.0"
        ),
        grid=GridFacts(
            grid_fps=25.0, sample_every=1, window_samples=30, window_s=1.2, prediction_hz=25.0
        ),
        rules=(),
        cameras=(CameraFacts(camera="cam0", url="scene:"),),
        model=MODEL,
        heartbeat_interval_s=1.0,
        versions={"gesta": "0.1.0"},
    )


def one_of_each(sender: Envelope) -> dict[str, Message]:
    return {
        "prediction": prediction(sender),
        "event": event(sender),
        "explain": explain(sender),
        "status": status(sender),
        "heartbeat": heartbeat(sender),
        "meta": meta(sender),
    }
