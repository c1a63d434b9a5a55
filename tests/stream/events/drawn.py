"""Rules, observations and predictions for the tests of events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from stream.events.event import Event
from stream.events.rule import RuleConfig
from stream.events.track import Observation, Track
from stream.messaging.envelope import Envelope
from stream.messaging.messages import Prediction, utc
from tests.stream.messaging.samples_of_messages import prediction

NOON_NS = 1_800_000_000_000_000_000
SECOND_NS = 1_000_000_000
CLASSES = ("walk", "idle")


def rule(**changes: object) -> RuleConfig:
    """Begins at 0.6 for half a second, is over a second after it was last at 0.4."""
    fields: dict[str, object] = {
        "name": "moving",
        "labels": ("walk",),
        "enter": 0.6,
        "exit": 0.4,
        "min_duration_s": 0.5,
        "merge_gap_s": 1.0,
    }
    return RuleConfig(**(fields | changes))  # type: ignore[arg-type]


def at(at_s: float, p: float) -> Observation:
    """Seen so many seconds after noon."""
    return Observation(
        at_s=at_s,
        capture_ns=NOON_NS + round(at_s * SECOND_NS),
        p=p,
        label="walk",
        key_ns=NOON_NS + round((at_s - 0.3) * SECOND_NS),
        onset_uncertainty_s=1.2,
    )


def steps(
    values: Iterable[float], *, from_s: float = 0.0, step_s: float = 0.1
) -> Iterator[Observation]:
    for number, p in enumerate(values):
        yield at(round(from_s + number * step_s, 6), p)


def changes(track: Track, seen: Iterable[Observation]) -> list[Event]:
    """What a track tells of these observations."""
    return [event for each in seen if (event := track.observe(each)) is not None]


def seconds(time_ns: int | None) -> float | None:
    """After noon."""
    return None if time_ns is None else (time_ns - NOON_NS) / SECOND_NS


class Predictions:
    """Predictions of one camera, a tenth of a second apart."""

    def __init__(self, camera: str = "hall") -> None:
        self._sender = Envelope("home", "box")
        self._camera = camera

    def __call__(
        self,
        at_s: float,
        p: float,
        *,
        epoch: int = 0,
        complete: bool = True,
        shed: int = 0,
        abstain: bool = False,
        clock_ahead_s: float = 0.0,
    ) -> Prediction:
        """p: of walk. clock_ahead_s: how far the camera's clock has been set forward."""
        made = prediction(self._sender, self._camera)
        capture_ns = NOON_NS + round((at_s + clock_ahead_s) * SECOND_NS)
        return msgspec.structs.replace(
            made,
            stream_epoch=epoch,
            probabilities=(p, 1 - p),
            abstain=abstain,
            window=msgspec.structs.replace(
                made.window,
                complete=complete and not shed,
                fill=1.0 if complete else 0.5,
                shed=shed,
            ),
            time=msgspec.structs.replace(
                made.time, position_s=at_s, capture_end=utc(capture_ns), uncertainty_ms=40.0
            ),
        )
