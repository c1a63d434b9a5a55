"""`gesta replay`: a file through the very path that a camera takes, as fast as this machine can."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
from rich.text import Text

from stream.configuration.config import CameraConfig, Config
from stream.errors import ConfigError, Reason
from stream.events.rehearsal import rehearse
from stream.events.rule import check_labels
from stream.messaging.envelope import Envelope
from stream.messaging.messages import Prediction
from stream.messaging.writer import Writer
from stream.opening import Engine, Opening, open_bundle, progress_on_stderr
from stream.screen import Terminal
from stream.sources.open import is_file, open_source
from stream.sources.source import Source, SourceOptions
from stream.view import bar

BAR_CELLS = 20


@dataclass(frozen=True, slots=True)
class Played:
    """A prediction, and where in the file it stands.

    hole_s: since the frame before; negative where the timestamps leap back.
    reason: why its epoch began.
    """

    position_s: float
    prediction: Prediction
    hole_s: float = 0.0
    reason: Reason | None = None


@dataclass(slots=True)
class Stretch:
    """Consecutive predictions of one epoch that name the same action on windows of one kind.

    complete: they stand on whole windows. anew: what happened in the file just before.
    """

    label: str
    complete: bool
    start_s: float
    end_s: float
    anew: str = ""
    sum_p: float = 0.0
    predictions: int = 0

    def __str__(self) -> str:
        p = self.sum_p / self.predictions
        above = f"{'':26}-- {self.anew}: the window starts anew --\n" if self.anew else ""
        return (
            f"{above}{self.start_s:9.2f} s {self.end_s:9.2f} s  {self.label:<16}"
            f" {bar(p, BAR_CELLS)} {p:4.0%}{'' if self.complete else '  filling'}"
        )


def replay(
    config: Config,
    *,
    as_json: bool,
    only_rules: bool = False,
    picture: Path | None = None,
    truth: Path | None = None,
) -> None:
    """Plays the configuration's last source, which must be a file.

    only_rules: tell of the events that the configuration's rules make of it, and of nothing else.
    picture: draw them there, too, as an SVG. truth: what really happens in the file; say how well
        they agree with it.

    Raises:
        ConfigError: it is no file, or a rule or the truth names a label that the bundle lacks.
        SourceError: it can't be opened, or is damaged (after what could be read was played).
        EngineError: the bundle or the engine fails.
        PublishError: the picture can't be written.
    """
    camera = config.cameras[-1]
    if not is_file(camera.url):
        raise ConfigError(f"{camera.masked_url} is no file; replay plays files, gesta run the rest")
    opening = open_bundle(config)
    check_labels(config.rules, opening.manifest.classes, opening.manifest.name)
    source = open_source(camera.url, SourceOptions(transport=camera.transport))
    with ExitStack() as stack:
        stack.callback(source.close)
        source.open()  # before the engine, which takes seconds the first time
        with progress_on_stderr() as say:
            engine = opening.open_engine(config, say)
        stack.callback(engine.graphs.close)
        played = play(source, config, camera, opening, engine)
        if only_rules:
            rehearse(
                ((item.position_s, item.prediction) for item in played),
                config.rules,
                classes=opening.manifest.classes,
                window_s=opening.manifest.window_s,
                as_json=as_json,
                picture=picture,
                truth=truth,
            )
        elif as_json:
            for item in played:
                sys.stdout.buffer.write(msgspec.json.encode(item.prediction) + b"\n")
            sys.stdout.buffer.flush()
        else:
            _tell(played, Path(camera.url).name, opening.manifest.window_s)


def play(
    source: Source, config: Config, camera: CameraConfig, opening: Opening, engine: Engine
) -> Iterator[Played]:
    """Every prediction of an open source, in order. The same numbers each time, bit for bit."""
    manifest = opening.manifest
    sampler = opening.open_sampler(camera, eyes=engine.eyes)
    writer = Writer(
        envelope=Envelope(config.site, config.node),
        manifest=manifest,
        model=opening.model(engine.graphs),
        clock_ns=time.monotonic_ns,
    )
    first_ns = before_ns = None
    for frame in source.frames():
        first_ns = frame.pts_ns if first_ns is None else first_ns
        hole_ns = frame.pts_ns - (frame.pts_ns if before_ns is None else before_ns)
        before_ns = frame.pts_ns
        samples = sampler.push(frame)
        engine.recogniser.take_in()  # nobody else does, and a sampler waits for it
        for sample in samples:
            taken_ns = time.monotonic_ns()
            (recognition,) = engine.recogniser.step([sample.sample])
            prediction = writer.prediction(
                sample, recognition, taken_ns=taken_ns, done_ns=time.monotonic_ns()
            )
            at_s = (frame.pts_ns - first_ns) / 1e9
            yield Played(at_s, prediction, hole_ns / 1e9, sampler.epoch_reason)


class Timeline:
    """Joins predictions into stretches.

    Attributes:
        current: the stretch that is still going on.
        predictions: how many came; incomplete: those of them on windows that are not full.
    """

    def __init__(self) -> None:
        self.current: Stretch | None = None
        self.predictions = self.incomplete = 0
        self._epoch: int | None = None

    def add(self, item: Played) -> Stretch | None:
        """Takes the next prediction; returns the stretch that it ended."""
        prediction, top = item.prediction, item.prediction.top[0]
        label = "(unsure)" if prediction.abstain else top.label
        complete, epoch = prediction.window.complete, prediction.stream_epoch
        current, ended = self.current, None
        anew = "" if self._epoch in (None, epoch) else _explained(item)
        if current is None or anew or (current.label, current.complete) != (label, complete):
            ended = current
            current = Stretch(label, complete, item.position_s, item.position_s, anew)
        current.end_s = item.position_s
        current.sum_p += top.p
        current.predictions += 1
        self.predictions += 1
        self.incomplete += not complete
        self.current, self._epoch = current, epoch
        return ended


def _explained(item: Played) -> str:
    """What in the file began a new epoch."""
    if item.reason is Reason.SIZE_CHANGE:
        return "the picture's size changes"
    if item.hole_s < 0:
        return f"the timestamps leap back by {-item.hole_s:.2f} s"
    return f"{item.hole_s:.2f} s without a frame"


def _tell(played: Iterator[Played], name: str, window_s: float) -> None:
    """Prints each stretch as it ends; in a terminal a moving line below says how far it is."""
    out, timeline, started_s = Terminal(), Timeline(), time.monotonic()

    def pace() -> str:
        at_s = timeline.current.end_s if timeline.current else 0.0
        took_s = time.monotonic() - started_s
        return f"{at_s:.1f} s of {name} in {took_s:.1f} s, {at_s / took_s:.1f} times real time"

    # Two consoles on one terminal would write into each other.
    with (out if out.is_terminal else Terminal(stderr=True)).status(name) as status:
        try:
            for item in played:
                if (ended := timeline.add(item)) is not None:
                    out.print(Text(str(ended)), soft_wrap=True)
                status.update(pace())
        finally:
            if timeline.current is not None:
                out.print(Text(str(timeline.current)), soft_wrap=True)
    out.print(Text(f"{timeline.predictions} predictions: {pace()}"), soft_wrap=True)
    if timeline.incomplete:
        words = f"filling: on less than the whole window of {window_s:g} s; act on whole ones only"
        out.print(Text(words), soft_wrap=True)
