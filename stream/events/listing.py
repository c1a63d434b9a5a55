"""`gesta events`: what is in the event store, for people, programs and spreadsheets."""

from __future__ import annotations

import csv
import re
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from stream.errors import ConfigError
from stream.events.event import Event
from stream.events.evidence import Evidence
from stream.events.report import facts
from stream.events.store import EventStore
from stream.messaging.messages import utc
from stream.plural import counted

_AGO = re.compile(r"(\d+(?:\.\d+)?)([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_FAR_NS = (1 << 63) - 1  # as far as the store's numbers reach
COLUMNS = (
    "event_id", "camera", "rule", "label", "severity", "start", "end", "duration_s", "peak",
    "peak_at", "end_reason", "clip", "clip_sha256", "covers_event", "blurred", "snapshot",
    "snapshot_sha256", "evidence_error", "revision",
)  # fmt: skip


def list_events(
    path: Path,
    *,
    since: str | None,
    until: str | None,
    labels: Sequence[str],
    cameras: Sequence[str],
    rules: Sequence[str],
    form: str,
) -> None:
    """Prints the events that went on in a time, if only for a part of it.

    Args:
        since, until: as `moment_ns` takes them; None for no bound.
        form: table, json (the event message's fields, one object a line) or csv.

    Raises:
        ConfigError: a time that can't be read.
        StoreError: there is no such store, or it can't be read.
    """
    now = datetime.now(UTC)
    store = EventStore(path, read_only=True)
    try:
        found = store.events(
            since_ns=None if since is None else moment_ns(since, now),
            until_ns=None if until is None else moment_ns(until, now),
            labels=labels,
            cameras=cameras,
            rules=rules,
        )
        {"table": _as_table, "json": _as_json, "csv": _as_csv}[form](found)
    finally:
        store.close()


def moment_ns(text: str, now: datetime) -> int:
    """UTC nanoseconds of "90m" (so long ago), "2026-11-26" or "2026-11-26T14:00".

    The last two are local time, unless they name a zone.

    Raises:
        ConfigError: it is none of these.
    """
    try:
        if (match := _AGO.fullmatch(text)) is not None:
            moment = now - timedelta(**{_UNITS[match[2]]: float(match[1])})
        else:
            moment = datetime.fromisoformat(text)
        return min(max(int(moment.timestamp() * 1_000_000_000), -_FAR_NS), _FAR_NS)
    except (ValueError, OverflowError, OSError):
        raise ConfigError(
            f'"{text}" is no time; write 90m, 2h or 7d for so long ago, or 2026-11-26T14:00'
        ) from None


def _row(event: Event) -> dict[str, object]:
    """The columns of a spreadsheet."""
    kept = event.evidence or Evidence()
    clip, snapshot = kept.clip, kept.snapshot
    return {
        "event_id": event.event_id,
        "camera": event.camera,
        "rule": event.rule,
        "label": event.label,
        "severity": event.severity,
        "start": utc(event.start_ns),
        "end": None if event.end_ns is None else utc(event.end_ns),
        "duration_s": round(event.duration_s, 3),
        "peak": event.peak,
        "peak_at": utc(event.peak_ns),
        "end_reason": event.end_reason,
        "clip": clip and clip.uri,
        "clip_sha256": clip and clip.sha256,
        "covers_event": clip and _true_or_false(clip.covers_event),
        "blurred": clip and _true_or_false(clip.blurred),
        "snapshot": snapshot and snapshot.uri,
        "snapshot_sha256": snapshot and snapshot.sha256,
        "evidence_error": kept.error,
        "revision": event.revision,
    }


def _true_or_false(value: bool) -> str:
    return "true" if value else "false"


def _as_json(events: Iterable[Event]) -> None:
    for event in events:
        row = {"site": event.site, "camera": event.camera, **facts(event)}
        sys.stdout.write(msgspec.json.encode(row).decode() + "\n")


def _as_csv(events: Iterable[Event]) -> None:
    table = csv.DictWriter(sys.stdout, COLUMNS, lineterminator="\n")
    table.writeheader()
    for event in events:
        table.writerow(_row(event))


def _as_table(events: Iterable[Event]) -> None:
    count = 0
    for event in events:
        start = datetime.fromtimestamp(event.start_ns / 1e9, UTC).astimezone()
        lasted = f"{event.duration_s:7.1f} s" if event.end_ns is not None else "  goes on"
        sys.stdout.write(
            f"{start:%Y-%m-%d %H:%M:%S}  {lasted}  {event.severity:<8}  {event.camera:<12}  "
            f"{event.rule}: {event.label}, peak {event.peak:.0%}"
            f"{'' if event.end_reason in (None, 'below_exit') else f' ({event.end_reason})'}\n"
        )
        count += 1
    sys.stdout.write(f"{counted(count, 'event')}\n")
