from datetime import UTC, datetime

import pytest

from stream.errors import ConfigError
from stream.events.schedule import ScheduleConfig


def holds(schedule: ScheduleConfig, text: str) -> bool:
    moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return schedule.holds_at(int(moment.timestamp()) * 1_000_000_000)


def test_left_out_it_always_holds() -> None:
    assert all(holds(ScheduleConfig(), f"2026-11-26T{hour:02}:59") for hour in range(24))


def test_days_alone_are_whole_days() -> None:
    friday = ScheduleConfig(days=("fri",))
    friday.check("x")
    times = {
        "2026-11-26T23:59": False,
        "2026-11-27T00:00": True,
        "2026-11-27T23:59": True,
        "2026-11-28T00:00": False,
    }
    assert {time: holds(friday, time) for time in times} == times


def test_hours_of_a_day_end_before_their_end() -> None:
    office = ScheduleConfig(begin="08:00", end="17:30")
    found = [holds(office, f"2026-11-26T{t}") for t in ("07:59", "08:00", "17:29", "17:30")]
    assert found == [False, True, True, False]


def test_a_night_belongs_to_the_day_that_it_begins_on() -> None:
    friday_night = ScheduleConfig(days=("fri",), begin="22:00", end="06:00")
    times = {  # 27 November 2026 is a Friday
        "2026-11-27T05:59": False,
        "2026-11-27T22:00": True,
        "2026-11-28T05:59": True,
        "2026-11-28T06:00": False,
        "2026-11-28T22:00": False,
    }
    assert {time: holds(friday_night, time) for time in times} == times


def test_hours_are_those_of_the_place_in_summer_too() -> None:
    berlin = ScheduleConfig(begin="08:00", end="09:00", time_zone="Europe/Berlin")
    assert holds(berlin, "2026-11-26T07:30")  # UTC + 1
    assert not holds(berlin, "2026-11-26T06:30")
    assert holds(berlin, "2026-07-01T06:30")  # UTC + 2


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"begin": "8", "end": "10:00"}, 'x.from: "8" is no time of day'),
        ({"begin": "08:00", "end": "24:30"}, 'x.to: "24:30" is no time of day'),
        ({"begin": "08:00", "end": ""}, 'x.to: "" is no time of day'),
        ({"begin": "22:00"}, "x.to: is left out beside `from`; write both, or neither"),
        ({"end": "06:00"}, "x.from: is left out beside `to`; write both, or neither"),
        ({"begin": "10:00", "end": "10:00"}, "no time at all"),
        ({"begin": "24:00", "end": "10:00"}, "no time at all"),
        ({"days": ()}, "x.days: is empty"),
        ({"time_zone": "Mars/Olympus"}, 'x.time_zone: "Mars/Olympus" is not known here'),
        ({"time_zone": "../../etc/passwd"}, "is not known here"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said.replace("/", "/")):
        ScheduleConfig(**given).check("x")  # type: ignore[arg-type]
