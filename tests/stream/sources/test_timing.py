"""Capture times and lag by arithmetic: the clocks are given, nothing sleeps."""

from __future__ import annotations

from stream.sources.timing import CaptureClock, Pacer, Stamp

MS = 1_000_000
SECOND = 1000 * MS
FRAME = 40 * MS
UTC0 = 1_700_000_000 * SECOND


class Line:
    """A camera whose frames arrive `delay` after they are taken; UTC = UTC0 + monotonic."""

    def __init__(self) -> None:
        self.now_ns = 0
        self.clock = CaptureClock(
            utc_ns=lambda: UTC0 + self.now_ns, monotonic_ns=lambda: self.now_ns
        )

    def arrive(self, pts: int, at: int, waited: int = 30 * MS, sender: int | None = None) -> Stamp:
        self.now_ns = at
        return self.clock.stamp(pts, waited, sender)


def test_arrival_without_its_jitter() -> None:
    line = Line()
    jitter = [0, 30, 5, 60, 0, 15]
    stamps = [line.arrive(i * FRAME, i * FRAME + late * MS) for i, late in enumerate(jitter)]
    assert [s.captured_at_ns - UTC0 for s in stamps] == [i * FRAME for i in range(6)]
    assert {s.clock for s in stamps} == {"arrival"}


def test_a_burst_is_dated_back_as_soon_as_the_path_is_known() -> None:
    line = Line()
    # two seconds of pictures at once, the newest of them fresh
    for i in range(51):
        stamp = line.arrive(i * FRAME, 2 * SECOND + i * MS, waited=0)
    assert stamp.captured_at_ns == UTC0 + 2050 * MS
    fresh = line.arrive(51 * FRAME, 2 * SECOND + 90 * MS)
    assert fresh.captured_at_ns == UTC0 + 51 * FRAME + 50 * MS
    assert fresh.lag_ms == 0.0


def test_a_slow_reader_lags_until_it_has_to_wait_again() -> None:
    line = Line()
    line.arrive(0, 0)
    lags = [line.arrive(i * FRAME, i * 60 * MS, waited=0).lag_ms for i in range(1, 51)]
    assert lags[0] == 20.0
    assert lags[-1] == 1000.0
    # drained at 1 ms a frame without waiting: the lag shrinks by what is caught up
    caught_up = [line.arrive((50 + i) * FRAME, 3 * SECOND + i * MS, waited=0) for i in range(1, 21)]
    assert caught_up[-1].lag_ms == 1000.0 - 20 * 39
    assert line.arrive(71 * FRAME, 3100 * MS, waited=25 * MS).lag_ms == 0.0


def test_a_sender_that_paused_and_goes_on_is_no_lag() -> None:
    line = Line()
    line.arrive(0, 0)
    after = line.arrive(FRAME, 3 * SECOND, waited=2960 * MS)  # its clock stood still meanwhile
    assert after.lag_ms == 0.0


def test_a_backlog_does_not_make_pictures_look_fresh() -> None:
    line = Line()
    for i in range(100):
        line.arrive(i * FRAME, i * FRAME)
    late = line.arrive(100 * FRAME, 100 * FRAME + 3 * SECOND, waited=0)
    assert late.captured_at_ns == UTC0 + 100 * FRAME
    assert late.lag_ms == 3000.0


def test_the_senders_report_gives_the_delay() -> None:
    line = Line()
    line.arrive(0, 200 * MS)
    stamp = line.arrive(FRAME, FRAME + 200 * MS, sender=UTC0)  # 200 ms on the way
    assert (stamp.clock, stamp.captured_at_ns) == ("rtcp", UTC0 + FRAME)
    assert stamp.uncertainty_ms < line.arrive(2 * FRAME, 2 * FRAME + 200 * MS).uncertainty_ms + 1


def test_a_report_that_cannot_be_true_is_ignored() -> None:
    for wrong in (0, UTC0 - 3600 * SECOND, UTC0 + 10 * SECOND):
        line = Line()
        stamp = line.arrive(0, 0, sender=wrong)
        assert (stamp.clock, stamp.captured_at_ns) == ("arrival", UTC0)


def test_a_drifting_crystal_does_not_move_capture_times_for_ever() -> None:
    # 100 ppm: after a day the camera's clock is 8.6 s behind; FFmpeg repeats its first report
    line = Line()
    for second in range(0, 86_400, 5):
        pts = round(second * SECOND * (1 - 1e-4))
        stamp = line.arrive(pts, second * SECOND + 200 * MS, sender=UTC0)
    true_ns = UTC0 + 86_395 * SECOND
    assert stamp.clock == "rtcp"
    assert abs(stamp.captured_at_ns - true_ns) < 30 * MS


def test_a_clock_that_jumps_back_starts_afresh() -> None:
    line = Line()
    for i in range(10):
        line.arrive(100 * SECOND + i * FRAME, i * FRAME, sender=UTC0 - 100 * SECOND)
    stamp = line.arrive(0, 10 * FRAME)
    assert stamp.lag_ms == 0.0
    assert stamp.captured_at_ns == UTC0 + 10 * FRAME


def test_a_clock_that_leaps_ahead_starts_afresh() -> None:
    line = Line()
    for i in range(10):
        line.arrive(i * FRAME, i * FRAME)
    line.arrive(100 * SECOND, 10 * FRAME)
    stamp = line.arrive(100 * SECOND + FRAME, 11 * FRAME, waited=0)
    assert (stamp.lag_ms, stamp.captured_at_ns) == (0.0, UTC0 + 11 * FRAME)


class Player:
    def __init__(self, *, catch_up: bool) -> None:
        self.now_ns = 0
        self.pacer = Pacer(self.wait, catch_up=catch_up, monotonic_ns=lambda: self.now_ns)

    def wait(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND)


def test_a_pacer_plays_at_the_files_own_pace() -> None:
    player = Player(catch_up=True)
    due = []
    for i in range(5):
        assert player.pacer.hold(7 * SECOND + i * FRAME) == 0.0
        due.append(player.now_ns)
    assert due == [i * FRAME for i in range(5)]


def test_a_late_player_catches_up_or_shifts() -> None:
    catching, shifting = Player(catch_up=True), Player(catch_up=False)
    for player in (catching, shifting):
        player.pacer.hold(0)
        player.now_ns = 500 * MS
    assert catching.pacer.hold(FRAME) == 460.0
    assert catching.pacer.hold(2 * FRAME) == 420.0
    assert shifting.pacer.hold(FRAME) == 0.0
    shifting.pacer.hold(2 * FRAME)
    assert (catching.now_ns, shifting.now_ns) == (500 * MS, 540 * MS)


def test_a_new_timeline_does_not_wait_for_the_old_one() -> None:
    player = Player(catch_up=True)
    player.pacer.hold(0)
    player.pacer.hold(3600 * SECOND)  # a leap in the file's own times
    assert player.now_ns == 0
    player.pacer.restart()
    player.pacer.hold(0)  # the next loop
    assert player.now_ns == 0
