"""One rule on one camera; times and thresholds worked out by hand."""

from dataclasses import replace

import pytest

from stream.events.track import UPDATE_EVERY_S, Track
from tests.stream.events.drawn import at, changes, rule, seconds, steps


def track(**given: object) -> Track:
    return Track(rule(**given), site="home", camera="hall")


def test_an_event_begins_once_enter_was_reached_long_enough_and_dates_back_to_then() -> None:
    following = track()
    assert changes(following, steps([0.1, 0.7, 0.7, 0.9, 0.7, 0.7])) == []
    (start,) = changes(following, steps([0.7], from_s=0.6))
    assert (start.phase, start.revision) == ("start", 0)
    assert (seconds(start.start_ns), seconds(start.seen_ns)) == (0.1, 0.6)
    assert (start.peak, seconds(start.peak_ns)) == (0.9, 0.3)
    assert (start.site, start.camera, start.rule, start.label) == ("home", "hall", "moving", "walk")
    assert (start.enter, start.exit, start.onset_uncertainty_s) == (0.6, 0.4, 1.2)


def test_one_prediction_below_enter_begins_the_count_anew() -> None:
    following = track()
    assert changes(following, steps([0.7] * 5 + [0.59] + [0.7] * 5)) == []
    (start,) = changes(following, steps([0.7], from_s=1.1))
    assert seconds(start.start_ns) == 0.6


def test_without_a_minimum_the_first_prediction_begins_it() -> None:
    (start,) = changes(track(min_duration_s=0.0), [at(0, 0.6)])
    assert seconds(start.start_ns) == 0


def test_between_exit_and_enter_it_neither_begins_nor_ends() -> None:
    following = track(min_duration_s=0.0)
    assert changes(following, steps([0.5] * 30)) == []
    assert len(changes(following, [at(3, 0.6)])) == 1
    told = changes(following, steps([0.5] * 40, from_s=3.1))
    assert [each.phase for each in told] == []
    assert following.event is not None


def test_a_dip_no_longer_than_the_merge_gap_is_bridged() -> None:
    following = track(min_duration_s=0.0)
    changes(following, [at(0, 0.7)])
    assert changes(following, steps([0.1] * 10, from_s=0.1)) == []  # up to 1.0 s
    assert changes(following, [at(1.1, 0.4)]) == []
    assert following.event is not None


def test_it_is_over_when_the_dip_is_longer_and_ended_when_last_above_exit() -> None:
    following = track(min_duration_s=0.0)
    changes(following, [at(0, 0.7), at(0.1, 0.45)])
    *nothing, end = changes(following, steps([0.1] * 11, from_s=0.2))
    assert nothing == []
    assert (end.phase, end.end_reason, end.revision) == ("end", "below_exit", 1)
    assert (seconds(end.end_ns), seconds(end.seen_ns)) == (0.1, 1.1)
    assert end.duration_s == 0.1
    assert not end.is_open
    assert following.event is None


@pytest.mark.parametrize("set_by_s", [-3600, 3600])
def test_a_clock_that_is_set_meanwhile_makes_it_neither_longer_nor_shorter(set_by_s: int) -> None:
    following = track(min_duration_s=0.0)
    changes(following, [at(0, 0.7)])
    after = [at(2, 0.7), *steps([0.1] * 12, from_s=2.1)]
    (end,) = changes(
        following,
        [replace(seen, capture_ns=seen.capture_ns + set_by_s * 10**9) for seen in after],
    )
    assert end.duration_s == 2.0


def test_the_next_event_is_another_one() -> None:
    following = track(min_duration_s=0.0, merge_gap_s=0.0)
    told = changes(following, [at(0, 0.7), at(0.1, 0.1), at(0.2, 0.7)])
    assert [each.phase for each in told] == ["start", "end", "start"]
    assert told[0].event_id == told[1].event_id != told[2].event_id


def test_a_cooldown_counts_from_the_end() -> None:
    following = track(min_duration_s=0.0, merge_gap_s=0.0, cooldown_s=2.0)
    changes(following, [at(0, 0.7), at(1.0, 0.7), at(1.1, 0.1)])
    assert changes(following, steps([0.9] * 18, from_s=1.2)) == []  # up to 2.9 s
    (start,) = changes(following, [at(3.0, 0.9)])
    assert seconds(start.start_ns) == 3.0


def test_updates_come_now_and_then_with_what_was_seen_meanwhile() -> None:
    following = track(min_duration_s=0.0)
    changes(following, [at(0, 0.7)])
    told = changes(following, steps([0.7, 0.75] * 60, from_s=0.1))
    assert [each.phase for each in told] == ["update", "update"]
    assert [each.revision for each in told] == [1, 2]
    assert [seconds(each.seen_ns) for each in told] == [UPDATE_EVERY_S, 2 * UPDATE_EVERY_S]
    assert (told[0].peak, seconds(told[0].peak_ns)) == (0.75, 0.2)


def test_a_peak_that_is_much_higher_is_told_at_once() -> None:
    following = track(min_duration_s=0.0)
    changes(following, [at(0, 0.6)])
    (update,) = changes(following, [at(0.1, 0.69), at(0.2, 0.75), at(0.3, 0.8)])
    assert (update.revision, update.peak, seconds(update.seen_ns)) == (1, 0.75, 0.2)


def test_what_is_lost_ends_at_what_was_last_seen() -> None:
    following = track(min_duration_s=0.0)
    changes(following, [at(0, 0.7), at(0.1, 0.3)])
    end = following.lose("stream_lost")
    assert end is not None
    assert (end.phase, end.end_reason, seconds(end.end_ns)) == ("end", "stream_lost", 0.1)
    assert following.lose("shutdown") is None


def test_what_is_lost_before_it_began_never_begins() -> None:
    following = track()
    changes(following, steps([0.7] * 5))
    assert following.lose("stream_lost") is None
    assert changes(following, steps([0.7] * 5, from_s=0.5)) == []
