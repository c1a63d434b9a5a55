"""A timeline of a rehearsal as an SVG: of each rule the probability, thresholds and events."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from xml.sax.saxutils import escape

from stream.events.rule import RuleConfig
from stream.plural import counted

WIDTH_PX, LANE_PX, GAP_PX, LEFT_PX, TOP_PX = 960, 90, 26, 210, 14
HOLE_S = 1.0  # without an observation for so long, the line is broken

_COLOURS = {"info": "#2b7bba", "warning": "#c98a00", "critical": "#c0392b"}
_STEPS_S = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 7200, 14400)


@dataclass(slots=True)
class Lane:
    """One rule: what was seen as (seconds, probability), and its events as (start, end)."""

    rule: RuleConfig
    seen: list[tuple[float, float]] = field(default_factory=list)
    events: list[tuple[float, float]] = field(default_factory=list)


def draw(lanes: Sequence[Lane]) -> str:
    """The SVG."""
    times = [at_s for lane in lanes for at_s, _ in lane.seen]
    first_s, last_s = min(times, default=0.0), max(times, default=1.0)
    scale = (WIDTH_PX - LEFT_PX - 20) / max(last_s - first_s, 1e-6)

    def x(at_s: float) -> float:
        return round(LEFT_PX + (at_s - first_s) * scale, 1)

    height = TOP_PX + len(lanes) * (LANE_PX + GAP_PX) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH_PX}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
    ]
    for number, lane in enumerate(lanes):
        parts += _lane(lane, TOP_PX + number * (LANE_PX + GAP_PX), x)
    step_s = next((s for s in _STEPS_S if (last_s - first_s) / s <= 12), _STEPS_S[-1])
    tick_s = -(-first_s // step_s) * step_s
    while tick_s <= last_s:
        parts.append(_text(x(tick_s), height - 8, _clock(tick_s), "#666", "middle"))
        tick_s += step_s
    return "\n".join([*parts, "</svg>"]) + "\n"


def _lane(lane: Lane, top: int, x: Callable[[float], float]) -> list[str]:
    rule, bottom, right = lane.rule, top + LANE_PX, WIDTH_PX - 20

    def y(p: float) -> float:
        return round(bottom - p * LANE_PX, 1)

    colour = _COLOURS[rule.severity]
    parts = [
        f'<rect x="{LEFT_PX}" y="{top}" width="{right - LEFT_PX}" height="{LANE_PX}" '
        'fill="#f6f6f6"/>',
        *(
            f'<rect x="{x(start)}" y="{top}" width="{max(2.0, round(x(end) - x(start), 1))}" '
            f'height="{LANE_PX}" fill="{colour}" fill-opacity="0.25"/>'
            for start, end in lane.events
        ),
        _text(8, top + 16, rule.name, "#222", "start"),
        _text(8, top + 34, _labels(rule), "#666", "start"),
        _text(8, top + 52, counted(len(lane.events), "event"), "#666", "start"),
    ]
    for name, p in (("enter", rule.enter), ("exit", rule.exit)):
        parts.append(
            f'<line x1="{LEFT_PX}" x2="{right}" y1="{y(p)}" y2="{y(p)}" stroke="{colour}" '
            f'stroke-width="1" stroke-dasharray="{"6 3" if name == "enter" else "2 3"}"/>'
        )
        parts.append(_text(LEFT_PX - 6, y(p) + 4, f"{name} {p:g}", colour, "end"))
    for run in _unbroken(lane.seen):
        points = " ".join(f"{x(at_s)},{y(p)}" for at_s, p in run)
        parts.append(f'<polyline points="{points}" fill="none" stroke="#222" stroke-width="1.2"/>')
    return parts


def _unbroken(seen: Sequence[tuple[float, float]]) -> list[list[tuple[float, float]]]:
    """Observations in runs without a hole."""
    runs = [list(seen[:1])]
    for before, now in pairwise(seen):
        if not 0 <= now[0] - before[0] <= HOLE_S:
            runs.append([])
        runs[-1].append(now)
    return runs


def _text(x: float, y: float, words: str, colour: str, anchor: str) -> str:
    return f'<text x="{x}" y="{y}" fill="{colour}" text-anchor="{anchor}">{escape(words)}</text>'


def _labels(rule: RuleConfig) -> str:
    """In the room that is left of the thresholds."""
    first, *others = rule.labels
    return f"{first} + {len(others)} more" if others else first


def _clock(at_s: float) -> str:
    minutes, seconds = divmod(round(at_s), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
