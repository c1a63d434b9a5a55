"""Whether a daemon keeps what it promises: every message is held against the types and the rules.

Whoever comes late, or reads one camera alone, finds no fault in what was before or is elsewhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import msgspec

from stream.messaging.event_lives import EventLives
from stream.messaging.messages import (
    EventChange,
    Explain,
    Heartbeat,
    Message,
    Meta,
    Prediction,
)
from stream.messaging.subscriber import SILENT_INTERVALS
from stream.messaging.topics import NODE, Address, parse, topic

IDS_REMEMBERED = 10_000
ROUNDING = 1e-3  # of probabilities that sum to 1

_JPEG = b"\xff\xd8"


@dataclass(slots=True)
class _Topic:
    """How far a topic has come in one daemon process.

    whole: heard from its first message on. position_s, epoch: of the last prediction.
    """

    boot: str
    seq: int
    whole: bool
    epoch: int = 0
    position_s: float = -math.inf


class Conformance:
    """Takes messages in the order in which they came.

    Args:
        fault: told each fault as it is found, as a sentence.

    Attributes:
        messages, faults: how many so far.
        topics: those heard of.
    """

    def __init__(self, fault: Callable[[str], None]) -> None:
        self._fault = fault
        self.messages = self.faults = 0
        self.topics: set[str] = set()
        self._known: dict[str, _Topic] = {}
        self._ids: dict[str, tuple[str, int]] = {}
        self._published: dict[str, str] = {}  # the latest, by boot
        self._uptime_s: dict[str, float] = {}  # of the last heartbeat, by boot
        self._classes: dict[str, tuple[str, ...]] = {}  # by boot
        self._lives = EventLives()

    def take(self, name: str, text: bytes, blobs: Sequence[bytes] | None = None) -> None:
        """A message on a topic. blobs: None where they are not known."""
        self.messages += 1
        self.topics.add(name)
        address = parse(name)
        if address is None:
            self.report(f"{name}: this is no topic of version 1 that this Gesta knows")
            return
        try:
            message = msgspec.json.decode(text, type=address.kind.message)
        except msgspec.MsgspecError as error:
            self.report(f"{name}: {error}")
            return
        for sentence in self._judge(name, address, message, blobs):
            self.report(f"{name} seq {message.seq}: {sentence}")

    def take_line(self, text: bytes, where: str) -> None:
        """A message as `gesta watch --json` writes it; its topic is what it says of itself."""
        try:
            said = msgspec.json.decode(text, type=_Says)
            name = topic(said.site, said.camera or said.node, said.type)
        except (msgspec.MsgspecError, KeyError) as error:
            self.messages += 1
            self.report(f"{where}: this is no message ({error})")
            return
        self.take(name, text)

    def report(self, sentence: str) -> None:
        """Counts and tells a fault."""
        self.faults += 1
        self._fault(sentence)

    def _judge(
        self, name: str, address: Address, message: Message, blobs: Sequence[bytes] | None
    ) -> Iterator[str]:
        owner = message.node if address.kind.scope == "node" else message.camera
        if (message.site, owner) != (address.site, address.owner):
            yield f"it says of itself that it is about {owner} in {message.site}"
        if (message.camera is None) != (address.kind.scope == "node") or message.camera == NODE:
            yield f"its camera is {message.camera}"
        yield from self._numbers(name, message)
        if isinstance(message, Meta):
            self._classes[message.boot] = message.classes
        if isinstance(message, EventChange):
            known = self._known.get(name)
            yield from self._lives.judge(message, from_the_start=known is not None and known.whole)
        if message.replay:
            return
        if message.published_at < self._published.get(message.boot, ""):
            yield "it was published before the one before it: the daemon's clock was set back"
        self._published[message.boot] = message.published_at
        if isinstance(message, Prediction):
            yield from self._prediction(self._known[name], message)
        elif isinstance(message, Heartbeat):
            yield from self._heartbeat(message)
        elif isinstance(message, Explain) and blobs is not None:
            yield from _blobs(message, blobs)

    def _numbers(self, name: str, message: Message) -> Iterator[str]:
        place = (name, message.seq)
        if self._ids.setdefault(message.id, place) != place:
            yield f"its id {message.id} is another message's"
        if len(self._ids) > IDS_REMEMBERED:
            del self._ids[next(iter(self._ids))]
        if message.replay and isinstance(message, EventChange):
            return  # one of several that go on: its number says nothing of the topic's
        known = self._known.get(name)
        if known is None or known.boot != message.boot:
            self._known[name] = _Topic(message.boot, message.seq, whole=message.seq == 0)
        elif message.seq > known.seq:
            if (missing := message.seq - known.seq - 1) > 0:
                yield _missing(missing, "before it")
            known.seq = message.seq
        elif not message.replay:
            yield f"it came after seq {known.seq}, and is not marked as a repetition"

    def _heartbeat(self, message: Heartbeat) -> Iterator[str]:
        before_s = self._uptime_s.get(message.boot, message.uptime_s)
        pause_s = message.uptime_s - before_s
        self._uptime_s[message.boot] = message.uptime_s
        if not 0 <= pause_s <= SILENT_INTERVALS * message.interval_s:
            yield f"it comes {pause_s:.1f} s after the one before, not {message.interval_s:g} s"
        for name, seq in message.last_seq.items():
            known = self._known.get(name)
            if known is None or known.boot != message.boot:
                continue
            if seq > known.seq:
                yield _missing(seq - known.seq, f"on {name}")
                known.seq = seq
            elif seq < known.seq:
                yield f"it says that {name} has come to seq {seq}, but it is at {known.seq}"

    def _prediction(self, known: _Topic, message: Prediction) -> Iterator[str]:
        time, window, epoch = message.time, message.window, message.stream_epoch
        if epoch is None:
            yield "it has no stream_epoch"
        elif epoch < known.epoch:
            yield f"stream_epoch falls from {known.epoch} to {epoch}"
        elif epoch == known.epoch and time.position_s <= known.position_s:
            yield f"position_s goes from {known.position_s:g} to {time.position_s:g} in one epoch"
        known.epoch, known.position_s = epoch or 0, time.position_s
        if time.capture_start > time.capture_end:
            yield "its window ends before it begins"
        if window.complete and (window.fill < 1 or window.shed):
            yield f"its window is called complete, with fill {window.fill:g}, {window.shed} shed"
        if abs(sum(message.probabilities) - 1) > ROUNDING:
            yield f"its probabilities sum to {sum(message.probabilities):g}"
        if list(message.top) != sorted(message.top, key=lambda label: -label.p):
            yield "the likeliest label is not the first"
        if any((top.p_flow is None) != (message.modality == "rgb") for top in message.top):
            yield f"its modality is {message.modality}, and `p_flow` says something else"
        classes = self._classes.get(message.boot)
        if classes is None:
            return
        if len(classes) != len(message.probabilities):
            yield f"it has {len(message.probabilities)} probabilities for {len(classes)} classes"
        elif any(
            top.label not in classes or message.probabilities[classes.index(top.label)] != top.p
            for top in message.top
        ):
            yield "`top` says something else than `probabilities`"


class _Says(msgspec.Struct):
    """What makes a message's topic."""

    type: str
    site: str
    node: str
    camera: str | None


def _missing(count: int, where: str) -> str:
    return f"{count} message{'s' if count > 1 else ''} {where} did not come"


def _blobs(message: Explain, blobs: Sequence[bytes]) -> Iterator[str]:
    maps = [each for each in (message.attention_rgb, message.attention_flow) if each is not None]
    last = max(message.frame.blob, *(each.blob for each in maps))
    if last >= len(blobs):
        yield f"it has {len(blobs)} blobs, and speaks of blob {last}"
        return
    if not blobs[message.frame.blob].startswith(_JPEG):
        yield "its frame is no JPEG"
    for kind in maps:
        if len(blobs[kind.blob]) != kind.width * kind.height:
            yield f"a map of {kind.width}x{kind.height} has {len(blobs[kind.blob])} bytes"
