"""Stand-ins for the daemon's parts: a camera driven by hand, a recogniser of one opinion."""

from __future__ import annotations

import threading

import numpy as np

from engine.recogniser import Recognition, Sample
from stream.configuration.config import CameraConfig
from stream.samples import SampleQueue, StreamSample
from stream.status import CaptureSnapshot, StatusChange

NOON_NS = 1_790_000_000_250_000_000


def stream_sample(
    camera="cam0", tick=0, epoch=0, shed_before=0, explain=False, truth=None, flow=True
):
    return StreamSample(
        sample=Sample(
            camera=camera,
            epoch=epoch,
            tick=tick,
            rgb=np.zeros((32, 32, 3), np.uint8),
            flow=np.zeros((20, 32, 32), np.uint8) if flow else None,
            shed_before=shed_before,
        ),
        capture_ns=NOON_NS,
        clock="arrival",
        uncertainty_ms=40.0,
        monotonic_ns={"captured": 0, "sampled": 4_000_000},
        truth=truth,
        dropped={"thinned": 2, "shed": 0},
        frame=np.full((48, 64, 3), 90, np.uint8) if explain else None,
    )


def recognition(sample: Sample, probabilities=(0.25, 0.75), window=30) -> Recognition:
    fill = min(sample.tick + 1, window) / window
    p = np.array(probabilities, np.float32)
    has_flow = sample.flow is not None
    spatial = np.array([[0.1, 0.2], [0.3, 0.4]], np.float32)
    return Recognition(
        camera=sample.camera,
        epoch=sample.epoch,
        tick=sample.tick,
        probabilities=p,
        p_rgb=p[::-1].copy(),
        p_flow=p if has_flow else None,
        temporal_attention=np.full(window, 0.1, np.float32),
        spatial_rgb=spatial,
        spatial_flow=spatial if has_flow else None,
        fill=fill,
        complete=fill == 1,
        repeated=0,
        shed=0,
        abstain=False,
        entropy=0.5623,
        stage_ms={"rgb": 8.0004, "flow": 7.0, "head": 2.0},
    )


class Recogniser:
    """Always of the same opinion. `error` is raised at the next step; `gate` holds steps up."""

    batches = (1, 4)

    def __init__(self):
        self.steps = []  # the cameras of each
        self.forgotten = []
        self.taken_in = 0
        self.error = None
        self.gate = threading.Event()
        self.gate.set()

    def step(self, samples):
        self.gate.wait(30)
        if self.error is not None:
            raise self.error
        self.steps.append([sample.camera for sample in samples])
        return [recognition(sample) for sample in samples]

    def take_in(self):
        self.taken_in += 1

    def forget(self, camera):
        self.forgotten.append(camera)


class Capture:
    """A capture "thread" whose samples and statuses the test gives by hand."""

    def __init__(self, name, queue: SampleQueue, tell, epoch=0):
        self.name = f"capture:{name}"
        self.epoch = epoch
        self.camera = CameraConfig(name=name, url=f"rtsp://user:secret@camera.example/{name}")
        self.queue = queue
        self.started = threading.Event()
        self.supervised = 0
        self.hangs = False
        self._tell = tell
        self._stopped = False

    def start(self):
        self.started.set()

    def stop(self):
        self._stopped = True
        self.queue.close()

    def join(self, timeout=None):
        if self.is_alive():
            threading.Event().wait(timeout)

    def is_alive(self):
        return self.started.is_set() and (self.hangs or not self._stopped)

    def supervise(self):
        self.supervised += 1

    def tell(self, state, reason=None, detail="", epoch=0, next_retry_s=None):
        self._tell(
            StatusChange(
                camera=self.camera.name,
                state=state,
                reason=reason,
                detail=detail,
                epoch=epoch,
                next_retry_s=next_retry_s,
                reconnects=0,
            )
        )

    def end(self):
        """As a file does at its end."""
        self.tell("ended", None, "it has come to its end")
        self._stopped = True
        self.queue.close()

    def snapshot(self):
        return CaptureSnapshot(
            camera=self.camera.name,
            state="live",
            reason=None,
            epoch=self.epoch,
            received=100,
            received_fps=25.0,
            dropped={"thinned": 2, "shed": self.queue.shed},
            repeated=0,
            last_frame_age_s=0.04,
            reconnects=1,
            queue_depth=self.queue.depth,
            info=None,
        )
