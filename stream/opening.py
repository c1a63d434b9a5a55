"""Opens what run, replay and check stand on: the bundle, its flow, and the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from rich.console import Console

from engine.bundle import Bundle
from engine.device import open_graphs
from engine.eyes import open_eyes
from engine.flow.estimator import FlowEstimator
from engine.flow.open import open_default_flow, open_flow
from engine.graphs import Graphs
from engine.machine import describe_machine
from engine.manifest import FlowEntry, Manifest
from engine.recogniser import Recogniser
from engine.sight import Eyes
from stream.configuration.config import CameraConfig, Config
from stream.errors import ConfigError
from stream.messaging.messages import Model
from stream.region import GREY
from stream.sampler import Sampler
from stream.samples import queue_capacity
from stream.sights import Sights

EVEN = 1e-6  # weights of a map that differ by less are the same

Say = Callable[[str], None]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """A recogniser on its compiled graphs.

    eyes: what makes pictures on the same device; None where that is done on the host.
    """

    recogniser: Recogniser
    graphs: Graphs
    eyes: Eyes | None = None


@dataclass(frozen=True)
class Opening:
    """A verified bundle, and which of its flows to run.

    flow_device: cpu or cuda, where that flow is estimated.
    """

    bundle: Bundle
    flow: str
    flow_entry: FlowEntry
    flow_device: str = "cpu"

    @property
    def manifest(self) -> Manifest:
        """The bundle's."""
        return self.bundle.manifest

    def open_flow(self) -> FlowEstimator:
        """A new estimator: each camera needs its own."""
        return open_flow(self.flow, self.flow_entry.parameters, self.flow_device)

    def open_sampler(
        self,
        camera: CameraConfig,
        *,
        eyes: Eyes | None = None,
        wants_flow: Callable[[], bool] = lambda: True,
    ) -> Sampler:
        """The way from a camera's frames to samples; on the host where there are no eyes."""
        sights = Sights(self.manifest, self.flow_entry, self.open_flow)
        sights.eyes = eyes
        return Sampler(
            camera.name,
            self.manifest,
            sights.opener(camera),
            camera.max_gap_s,
            wants_flow=wants_flow,
        )

    def check_attention(self) -> None:
        """Raises ConfigError where the bundle has no spatial attention that could be drawn."""
        if np.ptp(self.bundle.golden()["rgb_attention"]) < EVEN:
            raise ConfigError(
                f"evidence.attention: bundle '{self.manifest.name}' was trained without spatial "
                "attention and looks everywhere alike; leave it out, or run another bundle"
            )

    def open_engine(self, config: Config, say: Say) -> Engine:
        """Compiles the graphs (slow the first time) and passes them through the parity gate.

        Raises:
            EngineError: the device is missing, or its numbers drift.
        """
        graphs = open_graphs(self.bundle, config.device, config.precision, progress=say)
        # Samples that wait, one that is being put there, and one that has been taken out.
        waiting = queue_capacity(self.manifest.prediction_hz) + 2
        eyes = open_eyes(
            graphs,
            self.manifest,
            self.flow,
            self.flow_device,
            self.flow_entry,
            hidden=GREY,
            lag=waiting * self.manifest.sample_every,
            progress=say,
        )
        return Engine(Recogniser(self.bundle, graphs, eyes), graphs, eyes)

    def model(self, graphs: Graphs) -> Model:
        """What messages say about who computed them."""
        return Model(
            bundle=self.manifest.name,
            sha256=self.bundle.sha256,
            runner=f"{graphs.engine} {graphs.device}",
            precision=graphs.precision,
            flow=self.flow,
        )


def check_decoder(decoder: str) -> None:
    """Raises ConfigError where a GPU is to decode, and there is no driver for one."""
    if decoder == "cuda" and describe_machine().nvidia_driver is None:
        raise ConfigError(
            'decoder: "cuda" is an NVIDIA GPU\'s, and there is no driver for one here; look at '
            "nvidia-smi, and in a container start it with --gpus all; or leave decoder out"
        )


def open_bundle(config: Config) -> Opening:
    """Verifies the bundle and settles which flow runs.

    Raises:
        EngineError: the bundle is damaged, was not trained on the flow asked for, or the GPU asked
            for can't estimate it.
    """
    # A camera's thread is the unit of parallel work; more threads inside would only compete.
    cv2.setNumThreads(1)
    bundle = Bundle.open(config.bundle)
    # Refuses unknown parameters now, not in a camera's thread; says once why it isn't on the GPU.
    if config.flow is None:
        opened = open_default_flow(bundle.manifest.flows, config.device)
        entry = bundle.manifest.flows[opened.name]
    else:
        entry = bundle.manifest.flow_entry(config.flow, config.allow_flow_mismatch)
        opened = open_flow(config.flow, entry.parameters, config.device)
    return Opening(bundle, opened.name, entry, opened.device)


@contextmanager
def progress_on_stderr() -> Iterator[Say]:
    """Yields a way to say what takes long: a moving line in a terminal, else lines of the log."""
    console = Console(stderr=True)
    if console.is_terminal and not console.is_dumb_terminal:
        with console.status("starting") as status:
            yield lambda text: status.update(f"{text} ...")
    else:
        yield _log.info
