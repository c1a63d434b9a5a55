"""The grid against hand calculation, and the promises of design section 2 for any input."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.grid import Grid, GridSequencer, grid_frames

STEP_NS = 40_000_000  # at 25 fps


def test_a_tick_is_the_nearest_one_and_halves_go_up():
    grid = Grid(25)
    assert [grid.tick(n) for n in (0, 19_999_999, 20_000_000, 40_000_000, 59_999_999)] == [
        0, 0, 1, 1, 1,
    ]  # fmt: skip
    assert grid.tick(-20_000_000) == 0
    assert grid.tick(-20_000_001) == -1


def test_ntsc_rates_stay_exact_for_a_day():
    grid = Grid(29.97)
    frames_of_a_day = 29_97 * 864
    assert grid.tick(86_400 * 10**9) == frames_of_a_day
    assert grid.elapsed_ns(frames_of_a_day) == 86_400 * 10**9


def test_every_fifth_tick_is_a_sample():
    grid = Grid(25, sample_every=5)
    assert [tick for tick in range(16) if grid.is_sample(tick)] == [0, 5, 10, 15]


@pytest.mark.parametrize(("fps", "every"), [(0, 1), (-25, 1), (float("nan"), 1), (25, 0)])
def test_an_impossible_grid_is_refused(fps, every):
    with pytest.raises(ValueError, match="must be"):
        Grid(fps, every)


def outcomes(sequencer, times):
    return [(p.outcome, p.tick, p.repeated) for p in map(sequencer.place, times)]


def test_the_first_frame_of_a_tick_wins():
    sequencer = GridSequencer(Grid(25))
    times = [1_000, 1_000 + 15_000_000, 1_000 + 35_000_000, 1_000 + 45_000_000]
    assert outcomes(sequencer, times) == [
        ("first", 0, 0),
        ("thinned", 0, 0),
        ("placed", 1, 0),
        ("thinned", 1, 0),
    ]


def test_a_short_hole_counts_the_ticks_it_leaves_empty():
    sequencer = GridSequencer(Grid(25), max_gap_s=1.0)
    assert outcomes(sequencer, [0, 4 * STEP_NS]) == [("first", 0, 0), ("placed", 4, 3)]


def test_a_hole_over_the_limit_begins_an_epoch():
    sequencer = GridSequencer(Grid(25), max_gap_s=1.0)
    second_ns = 10**9
    assert outcomes(sequencer, [0, second_ns, 2 * second_ns + 1, 2 * second_ns + 1 + STEP_NS]) == [
        ("first", 0, 0),
        ("placed", 25, 24),
        ("gap", 0, 0),
        ("placed", 1, 0),
    ]


def test_without_a_limit_any_hole_is_bridged():
    assert outcomes(GridSequencer(Grid(25)), [0, 10**10])[1] == ("placed", 250, 249)


def test_time_may_slip_back_by_one_step_and_no_more():
    times = [0, 5 * STEP_NS, 4 * STEP_NS, 4 * STEP_NS - 1, 5 * STEP_NS]
    assert outcomes(GridSequencer(Grid(25)), times) == [
        ("first", 0, 0),
        ("placed", 5, 4),
        ("thinned", 4, 0),
        ("jump", 0, 0),
        ("placed", 1, 0),
    ]


def test_slipping_back_little_by_little_is_a_jump_too():
    times = [0, STEP_NS, STEP_NS // 2, 0, -1]
    assert [outcome for outcome, _, _ in outcomes(GridSequencer(Grid(25)), times)] == [
        "first", "placed", "thinned", "thinned", "jump",
    ]  # fmt: skip


def test_after_a_reset_the_next_frame_is_the_first():
    sequencer = GridSequencer(Grid(25))
    sequencer.place(0)
    sequencer.reset()
    assert sequencer.place(7).outcome == "first"


rates = st.sampled_from([5.0, 10.0, 12.5, 25.0, 29.97, 30.0, 59.94])


@given(rates, st.integers(0, 2**48), st.data())
def test_jitter_under_half_a_step_changes_nothing(fps, start_ns, data):
    grid = Grid(fps)
    half_ns = int(grid.step_ns / 2) - 1
    jitter = data.draw(st.lists(st.integers(-half_ns, half_ns), max_size=40))
    times = [start_ns] + [
        start_ns + grid.elapsed_ns(tick) + shift for tick, shift in enumerate(jitter, start=1)
    ]
    placed = [GridSequencer(grid).place(times[0]).tick]
    sequencer = GridSequencer(grid)
    sequencer.place(times[0])
    placed += [sequencer.place(time_ns).tick for time_ns in times[1:]]
    assert placed == list(range(len(times)))


@given(rates, st.lists(st.integers(-(10**10), 10**10), min_size=1, max_size=60))
def test_whatever_comes_ticks_rise_by_one_and_the_repeated(fps, times):
    sequencer = GridSequencer(Grid(fps), max_gap_s=2.0)
    tick = None
    for time_ns in times:
        placement = sequencer.place(time_ns)
        if placement.outcome in ("first", "gap", "jump"):
            assert (placement.tick, placement.repeated) == (0, 0)
            tick = 0
        elif placement.outcome == "placed":
            assert placement.tick == tick + placement.repeated + 1
            assert placement.repeated <= 2.0 * fps
            tick = placement.tick
        else:
            assert placement.tick <= tick


@given(rates, st.integers(0, 10**15))
def test_the_time_of_a_tick_lies_on_that_tick(fps, tick):
    assert Grid(fps).tick(Grid(fps).elapsed_ns(tick)) == tick


def test_the_rate_is_what_was_written_not_its_binary_neighbour():
    assert Grid(29.97).step_ns == Fraction(10**11, 2997)


def test_a_clip_slower_than_the_grid_repeats_its_frames():
    times = [0, 2 * STEP_NS, 3 * STEP_NS]  # 12.5 fps, then one in step
    assert grid_frames(times, Grid(25)) == [(0, False), (0, True), (1, False), (2, False)]


def test_a_clip_faster_than_the_grid_is_thinned():
    times = [n * STEP_NS // 2 for n in range(6)]  # 50 fps
    # Halves round up: the frame at 0.5 steps is already tick 1's first.
    assert grid_frames(times, Grid(25)) == [(0, False), (1, False), (3, False), (5, False)]


def test_a_clip_and_a_stream_see_the_same_frames():
    times = [0, 33_000_000, 67_000_000, 100_000_000, 300_000_000, 333_000_000]
    sequencer, stream = GridSequencer(Grid(25), max_gap_s=1.0), []
    for index, time_ns in enumerate(times):
        placement = sequencer.place(time_ns)
        if placement.outcome != "thinned":
            stream += stream[-1:] * placement.repeated + [index]
    assert [index for index, _ in grid_frames(times, Grid(25))] == stream


def test_a_clip_whose_time_runs_backwards_is_refused():
    with pytest.raises(ValueError, match="backwards at frame 2"):
        grid_frames([0, 10**9, 0], Grid(25))
