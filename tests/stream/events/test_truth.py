"""Events against what really happens."""

import json
import re
from pathlib import Path

import pytest

from stream.errors import ConfigError
from stream.events.truth import Action, agree, read_truth

CLASSES = ("idle", "wave", "clap")
TRUTH = [
    Action("idle", 0.0, 4.0),
    Action("wave", 4.0, 6.0),
    Action("idle", 6.0, 10.0),
    Action("clap", 10.0, 12.0),
    Action("wave", 20.0, 21.0),
]


def test_each_action_has_one_event_and_each_event_one_action() -> None:
    events = [
        (5.0, 7.0),  # of the first wave, a second late
        (12.5, 13.0),  # of the clap, which the window still shows
        (16.0, 17.0),  # of nothing
        (20.4, 20.8),
        (21.0, 21.5),  # the last wave has one already
    ]
    found = agree("any", ["wave", "clap"], events, TRUTH, window_s=1.2)
    assert (found.events, found.true_events, found.actions) == (5, 3, 3)
    assert found.precision == pytest.approx(3 / 5)
    assert found.recall == 1.0
    assert found.median_delay_s == pytest.approx(1.0)  # of 0.4, 1 and 2.5
    assert str(found) == (
        "any: 3 of 5 events true (60%), 3 of 3 actions found (100%); they begin 1.00 s "
        "after the action (median)"
    )


def test_other_actions_than_the_rules_make_no_event_true() -> None:
    found = agree("waves", ["wave"], [(10.5, 11.5)], TRUTH, window_s=1.2)
    assert (found.precision, found.recall, found.median_delay_s) == (0.0, 0.0, None)


def test_an_event_over_two_actions_has_found_one() -> None:
    found = agree("any", ["wave", "clap"], [(4.5, 12.0)], TRUTH, window_s=1.2)
    assert (found.true_events, found.actions) == (1, 3)


def test_without_events_or_actions_there_is_no_share() -> None:
    found = agree("falls", ["fall"], [], TRUTH, window_s=1.2)
    assert (found.precision, found.recall) == (None, None)
    assert str(found) == "falls: 0 of 0 events true, 0 of 0 actions found"


def test_a_scenes_truth_is_read_in_seconds(tmp_path: Path) -> None:
    path = tmp_path / "scene.json"
    intervals = [{"label": "wave", "start_tick": 50, "end_tick": 75}]
    path.write_text(json.dumps({"seed": 1, "fps": 25.0, "size": [1, 1], "intervals": intervals}))
    assert read_truth(path, CLASSES) == [Action("wave", 2.0, 3.0)]


@pytest.mark.parametrize("text", ["", "[]", '{"fps": 0, "intervals": []}', '{"fps": 25}'])
def test_a_file_that_says_something_else_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "scene.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match="doesn't say what is true of a video"):
        read_truth(path, CLASSES)


@pytest.mark.parametrize(
    ("interval", "said"),
    [
        (
            ("wavve", 50, 75),
            'intervals[1].label: "wavve" is no class of the bundle; did you mean "wave"',
        ),
        (("wave", 75, 50), "intervals[1].end_tick: must be above start_tick, 75, not 50"),
        (("wave", 50, 50), "intervals[1].end_tick: must be above start_tick, 50, not 50"),
    ],
)
def test_an_interval_that_cant_be_meant_is_named(
    tmp_path: Path, interval: tuple[str, int, int], said: str
) -> None:
    path = tmp_path / "scene.json"
    keys = ("label", "start_tick", "end_tick")
    intervals = [dict(zip(keys, each, strict=True)) for each in (("idle", 0, 50), interval)]
    path.write_text(json.dumps({"fps": 25.0, "intervals": intervals}))
    with pytest.raises(ConfigError, match=re.escape(said)):
        read_truth(path, CLASSES)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="can't be read"):
        read_truth(tmp_path / "none.json", CLASSES)
