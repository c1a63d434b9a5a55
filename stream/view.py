"""What `watch` shows: the newest of every camera, as a live table or as plain lines."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from stream.messaging.messages import EventChange, Heartbeat, Message, Meta, Prediction, Status

LABELS = 3  # shown per camera, where the terminal is high enough
LABEL_CELLS = 14
NARROW = 100  # below so many columns, bars and attention take half the room
SMALL = 72  # below so many, there is none for attention and pace
RATE_OVER_S = 2.0
EVENTS_AT_MOST = 1000  # told at once; older ones are left out
STALE_S = 2.0  # a prediction this old says little about now
STATE_STYLES = {
    "live": "green",
    "connecting": "yellow",
    "stalled": "yellow",
    "offline": "red",
    "ended": "dim",
}
_EIGHTHS = " ▏▎▍▌▋▊▉█"
_LEVELS = "▁▂▃▄▅▆▇█"


@dataclass(slots=True)
class CameraView:
    """What is known of one camera."""

    name: str
    status: Status | None = None
    prediction: Prediction | None = None
    predicted_ns: int = 0
    arrivals_ns: deque[int] = field(default_factory=lambda: deque(maxlen=200))

    @property
    def state(self) -> str:
        """Its last state, as far as anybody said."""
        return self.status.state if self.status else "live"

    @property
    def needs_words(self) -> bool:
        """Whether its status says more than a prediction would."""
        failed = (
            self.state == "ended" and self.status is not None and self.status.reason is not None
        )
        return failed or self.state not in ("live", "ended")

    def age_s(self, now_ns: int) -> float:
        """Since the last prediction came."""
        return (now_ns - self.predicted_ns) / 1e9

    def rate_hz(self, now_ns: int) -> float:
        """Predictions a second, lately."""
        since_ns = now_ns - int(RATE_OVER_S * 1e9)
        return sum(at_ns > since_ns for at_ns in self.arrivals_ns) / RATE_OVER_S


class View:
    """Takes messages in, and draws what they amount to. For one thread."""

    def __init__(self, *, clock_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock_ns = clock_ns
        self._cameras: dict[str, CameraView] = {}
        self._meta: Meta | None = None
        self._heartbeat: Heartbeat | None = None
        self._open: dict[str, EventChange] = {}  # by event id
        self._news: deque[EventChange] = deque(maxlen=EVENTS_AT_MOST)  # still to be told in lines

    def take(self, message: Message) -> None:
        """Notes what a message says."""
        match message:
            case Meta():
                self._meta = message
            case Heartbeat():
                self._heartbeat = message
            case Status():
                self._camera(message).status = message
            case EventChange():
                self._open.pop(message.event_id, None)
                if message.phase != "end":
                    self._open[message.event_id] = message
                if message.phase != "update" and not (message.replay or message.evidence):
                    self._news.append(message)
            case Prediction():
                camera = self._camera(message)
                camera.prediction, camera.predicted_ns = message, self._clock_ns()
                if not message.replay:
                    camera.arrivals_ns.append(camera.predicted_ns)

    def table(
        self, *, notice: str = "", lost: int = 0, width: int = 120, height: int = 40
    ) -> RenderableType:
        """The live table.

        Args:
            notice: a sentence that matters more than the table, such as that nobody is there.
            lost: messages missed so far.
            width, height: the terminal's columns and lines.
        """
        now_ns = self._clock_ns()
        bar_cells, spark_cells = (10, 15) if width < NARROW else (20, 30)
        if width < SMALL:
            bar_cells = 5
        parts: list[RenderableType] = [self._headline(lost)]
        if notice:
            parts.append(Text(notice, "bold yellow"))
        if self._cameras:
            lines = min(LABELS, max(1, (height - 6) // len(self._cameras) - 1))
            table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, header_style="dim")
            table.add_column("camera", no_wrap=True, max_width=10 if width < SMALL else None)
            table.add_column("action", width=LABEL_CELLS + bar_cells + 5)
            if width >= SMALL:
                table.add_column("attention", min_width=spark_cells, no_wrap=True)
                table.add_column("pace", justify="right", no_wrap=True)
            for name in sorted(self._cameras):
                cells = _cells(self._cameras[name], now_ns, bar_cells, spark_cells)
                shown = cells[: len(table.columns)]
                table.add_row(*(Text("\n").join(cell[:lines]) for cell in shown))
                if lines > 1:
                    table.add_row()
            parts.append(table)
        parts += [_open_event(event) for event in list(self._open.values())[-LABELS:]]
        return Group(*parts)

    def lines(self) -> Iterator[str]:
        """Events that began or ended since the last time, then one line a camera: for a pipe."""
        now_ns = self._clock_ns()
        while self._news:
            yield _event_sentence(self._news.popleft())
        for name in sorted(self._cameras):
            yield _sentence(self._cameras[name], now_ns)

    def _camera(self, message: Message) -> CameraView:
        name = message.camera or ""
        return self._cameras.setdefault(name, CameraView(name))

    def _headline(self, lost: int) -> Text:
        words = Text("gesta", "bold")
        if self._meta is not None:
            meta = self._meta
            words.append(
                f"  bundle {meta.bundle.name} {meta.bundle.version} on {meta.model.runner}"
                f" {meta.model.precision}, flow {meta.model.flow}, window {meta.grid.window_s:g} s",
                "not bold dim",
            )
        if self._heartbeat is not None:
            beat = self._heartbeat
            minutes, seconds = divmod(int(beat.uptime_s), 60)
            words.append(
                f"  up {minutes // 60}:{minutes % 60:02}:{seconds:02}"
                f"  {beat.memory.rss_bytes / 1e6:.0f} MB",
                "not bold dim",
            )
        if lost:
            words.append(f"  {lost} messages lost", "not bold red")
        return words


def bar(share: float, cells: int) -> str:
    """A bar that fills `share` (0..1) of so many cells, to an eighth of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * cells * 8)
    whole, rest = divmod(eighths, 8)
    return ("█" * whole + (_EIGHTHS[rest] if rest else "")).ljust(cells)


def sparkline(weights: Sequence[float], cells: int) -> str:
    """The weights in so many characters, heights relative to the largest; zero is blank."""
    shares = [len(weights) * cell // cells for cell in range(cells + 1)]
    heights = [sum(weights[a:b]) / max(1, b - a) for a, b in pairwise(shares)]
    largest = max(heights, default=0.0)
    return "".join(
        _LEVELS[min(int(height / largest * len(_LEVELS)), len(_LEVELS) - 1)] if height else " "
        for height in heights
    )


def _cells(
    camera: CameraView, now_ns: int, bar_cells: int, spark_cells: int
) -> tuple[list[Text], ...]:
    """Camera, action, attention and pace, each as lines with the most important first."""
    prediction, status = camera.prediction, camera.status
    who = [Text(camera.name, "bold"), Text(camera.state, STATE_STYLES.get(camera.state, ""))]
    if status is not None and status.reason:
        who.append(Text(status.reason, "yellow"))
    if camera.needs_words and status is not None:
        again = f"; next try in {status.next_retry_s:.0f} s" if status.next_retry_s else ""
        return who, [Text(status.detail + again, "yellow")], [], []
    if prediction is None:
        return who, [Text("waiting for the first prediction", "dim")], [], []
    fresh = camera.age_s(now_ns) < STALE_S
    window, latency = prediction.window, prediction.time.latency_ms
    looked = [
        Text(sparkline(prediction.attention.temporal, spark_cells), "cyan" if fresh else "dim")
    ]
    looked.append(_window(window.frames, window.fill, window.repeated, window.shed))
    if prediction.modality == "rgb":
        looked.append(Text("RGB alone", "yellow"))
    if prediction.truth is not None:
        right = prediction.truth == prediction.top[0].label
        looked.append(
            Text(f"truth {prediction.truth} {'✓' if right else '✗'}", "green" if right else "red")
        )
    pace = [
        Text(f"{camera.rate_hz(now_ns):.1f}/s"),
        Text(f"{latency.capture_to_publish:.0f} ms", "dim"),
        Text(f"{camera.age_s(now_ns):.1f} s ago", "dim" if fresh else "yellow"),
    ]
    return who, list(_actions(prediction, fresh, bar_cells)), looked, pace


def _actions(prediction: Prediction, fresh: bool, bar_cells: int) -> Iterator[Text]:
    for place, top in enumerate(prediction.top):
        sure = place == 0 and fresh and not prediction.abstain
        label = top.label[:LABEL_CELLS].ljust(LABEL_CELLS)
        yield Text.assemble(
            (label, "bold" if sure else "dim"),
            (bar(top.p, bar_cells), "green" if sure else "dim"),
            (f" {top.p:4.0%}", "bold" if sure else "dim"),
        )


def _window(frames: int, fill: float, repeated: int, shed: int) -> Text:
    if fill < 1:
        return Text(f"window filling, {fill:.0%}", "yellow")
    if shed:
        return Text(f"{shed} of {frames} shed", "red")
    if repeated:
        return Text(f"{repeated} of {frames} repeated", "yellow")
    return Text(f"{frames} frames", "dim")


_SEVERITY_STYLES = {"info": "cyan", "warning": "yellow", "critical": "bold red"}


def _open_event(event: EventChange) -> Text:
    return Text.assemble(
        (f" {event.rule}", _SEVERITY_STYLES[event.severity]),
        f"  {event.label} on {event.camera} since {event.start[11:19]} UTC,",
        f" {event.duration_s:.1f} s, peak {event.peak.p:.0%}",
    )


def _event_sentence(event: EventChange) -> str:
    words = f"event {event.rule}: {event.label} on {event.camera}"
    if event.phase == "start":
        return f"{words} began at {event.start} ({event.severity})"
    return (
        f"{words} is over after {event.duration_s:.1f} s ({event.end_reason}),"
        f" peak {event.peak.p:.2f}"
    )


def _sentence(camera: CameraView, now_ns: int) -> str:
    prediction, status = camera.prediction, camera.status
    words = f"{camera.name} {camera.state}"
    if status is not None and status.reason:
        words += f" {status.reason}"
    if camera.needs_words and status is not None:
        return f"{words}: {status.detail}"
    if prediction is None:
        return f"{words}: no prediction yet"
    labels = ", ".join(f"{top.label} {top.p:.2f}" for top in prediction.top[:LABELS])
    window = prediction.window
    shed = f", {window.shed} of {window.frames} shed" if window.shed else ""
    alone = " | RGB alone" if prediction.modality == "rgb" else ""
    truth = "" if prediction.truth is None else f" | truth {prediction.truth}"
    return (
        f"{words}: {labels} | window {window.fill:.0%}{shed}{alone}"
        f" | {camera.rate_hz(now_ns):.1f}/s {prediction.time.latency_ms.capture_to_publish:.0f} ms"
        f" {camera.age_s(now_ns):.1f} s ago{truth}"
    )
