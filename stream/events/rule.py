"""A rule: which labels make an event, from which probability on, and when it is over."""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection
from typing import Annotated, Literal

import msgspec

from stream.errors import ConfigError
from stream.events.schedule import ScheduleConfig

Severity = Literal["info", "warning", "critical"]
Probability = Annotated[float, msgspec.Meta(ge=0.0, le=1.0)]

_NAME = re.compile(r"[a-z0-9_-]+")


class RuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An event begins where the labels' probabilities together reach `enter`, and stay there.

    cameras: those it holds for; all where nothing is given.
    labels: an action, or several that count as one: their probabilities are added.
    enter, exit: thresholds. Between the two an event neither begins nor ends.
    min_duration_s: how long `enter` must be reached without a break before there is an event.
    merge_gap_s: an event is over once the probability has been below `exit` for longer than this.
    cooldown_s: after an event's end, how long this rule makes none on that camera.
    when_unsure: a prediction that the model would rather not make (`abstain`) counts as none of
        the labels; `true` takes its probabilities as they are.
    evidence: keep a clip and a picture of its events, where the configuration has `[evidence]`.
    """

    name: str
    labels: tuple[str, ...]
    cameras: tuple[str, ...] = ()
    enabled: bool = True
    enter: Probability = 0.6
    exit: Probability = 0.4
    min_duration_s: float = 0.4
    merge_gap_s: float = 1.0
    cooldown_s: float = 0.0
    severity: Severity = "info"
    when_unsure: bool = False
    evidence: bool = True
    schedule: ScheduleConfig | None = None

    def holds_for(self, camera: str) -> bool:
        """Whether it is about this camera at all."""
        return self.enabled and (not self.cameras or camera in self.cameras)


def check_rules(rules: Collection[RuleConfig], cameras: Collection[str]) -> None:
    """What types alone can't say.

    Raises:
        ConfigError: with the key's path and what to do.
    """
    seen: dict[str, int] = {}
    for index, rule in enumerate(rules):
        path = f"rule[{index}]"
        if _NAME.fullmatch(rule.name) is None:
            raise ConfigError(
                f'{path}.name: "{rule.name}" may hold only a-z, 0-9, "_" and "-"; rename it'
            )
        if rule.name in seen:
            raise ConfigError(
                f'{path}.name: rule[{seen[rule.name]}] is "{rule.name}" too; rename one'
            )
        seen[rule.name] = index
        if not rule.labels or len(set(rule.labels)) != len(rule.labels):
            raise ConfigError(f"{path}.labels: name one label or more, each of them once")
        if rule.exit > rule.enter:
            raise ConfigError(
                f"{path}.exit: {rule.exit:g} is above `enter`, {rule.enter:g}, so an event would "
                "be over as it begins; lower it"
            )
        if rule.enter == 0:
            raise ConfigError(f"{path}.enter: 0 is always reached; raise it")
        if rule.exit == 0:
            raise ConfigError(f"{path}.exit: nothing is below 0, so no event would end; raise it")
        for key in ("min_duration_s", "merge_gap_s", "cooldown_s"):
            value = getattr(rule, key)
            if not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{path}.{key}: must be a number of seconds from 0, not {value}")
        for camera in rule.cameras:
            if camera not in cameras:
                raise ConfigError(f"{path}.cameras: {unknown('camera', camera, cameras)}")
        if rule.schedule is not None:
            rule.schedule.check(f"{path}.schedule")


def check_labels(rules: Collection[RuleConfig], classes: Collection[str], bundle: str) -> None:
    """Raises ConfigError for a label that the bundle can't see."""
    for rule in rules:
        for label in rule.labels:
            if label not in classes:
                what = unknown(f"class of bundle '{bundle}'", label, classes)
                raise ConfigError(f"rule[{rule.name}].labels: {what}")


def unknown(kind: str, name: str, known: Collection[str]) -> str:
    """That a name is none of those known, with the nearest one of them."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f'did you mean "{near[0]}"?' if near else f"known are {', '.join(known)}"
    return f'"{name}" is no {kind}; {hint}'
