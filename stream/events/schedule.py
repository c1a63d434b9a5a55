"""The hours and days at which a rule holds, in the time of a place."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from stream.errors import ConfigError

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_CLOCK = re.compile(r"([01]\d|2[0-3]):([0-5]\d)|24:00")


class ScheduleConfig(
    msgspec.Struct,
    frozen=True,
    forbid_unknown_fields=True,
    kw_only=True,
    rename={"begin": "from", "end": "to"},
    dict=True,
):
    """From an hour to another, on some days, as a clock at `time_zone` shows it.

    days: on which the hours begin; `to` before `from` is on the day after.
    begin, end: "HH:MM"; the end is not part of it. Both or neither, which is the whole day, as
        "00:00" to "24:00" is.
    time_zone: a name of the IANA data base, such as Europe/Berlin.
    """

    days: tuple[Day, ...] = DAYS
    begin: str | None = None
    end: str | None = None
    time_zone: str = "UTC"

    def check(self, path: str) -> None:
        """Raises ConfigError for what types alone can't say."""
        if (self.begin is None) != (self.end is None):
            missing, given = ("from", "to") if self.begin is None else ("to", "from")
            raise ConfigError(
                f"{path}.{missing}: is left out beside `{given}`; write both, or neither for the "
                "whole day"
            )
        begin, end = self._hours
        for key, text in (("from", begin), ("to", end)):
            if _CLOCK.fullmatch(text) is None:
                raise ConfigError(f'{path}.{key}: "{text}" is no time of day; write it as 22:00')
        if begin == "24:00" or begin == end:
            raise ConfigError(
                f"{path}.from: {begin} to {end} is no time at all; for the whole day "
                'write from = "00:00", to = "24:00"'
            )
        if not self.days:
            raise ConfigError(f"{path}.days: is empty; name a day, or leave it out for all")
        try:
            ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ConfigError(
                f'{path}.time_zone: "{self.time_zone}" is not known here; give a name such as '
                "Europe/Berlin (a machine without time zones needs the package tzdata)"
            ) from None

    def holds_at(self, time_ns: int) -> bool:
        """Whether a rule with this schedule holds at this moment, UTC nanoseconds since 1970."""
        local = datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).astimezone(self._zone)
        minute = local.hour * 60 + local.minute
        begin, end = map(_minutes, self._hours)
        if begin < end:
            return begin <= minute < end and self._is_on(local)
        if minute >= begin:
            return self._is_on(local)
        return minute < end and self._is_on(local - timedelta(days=1))

    @property
    def _hours(self) -> tuple[str, str]:
        if self.begin is None or self.end is None:
            return "00:00", "24:00"
        return self.begin, self.end

    @cached_property
    def _zone(self) -> ZoneInfo:
        return ZoneInfo(self.time_zone)

    def _is_on(self, day: datetime) -> bool:
        return DAYS[day.weekday()] in self.days


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return int(hours) * 60 + int(minutes)
