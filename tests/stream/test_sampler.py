"""The sampler against a plain offline computation of the same grid frames: equal, byte for byte."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from engine.flow.open import open_flow
from engine.flow.quantise import quantise
from engine.manifest import Manifest
from engine.preprocess import grey, resize
from stream.errors import Reason
from stream.host_sight import HostSight
from stream.region import GREY, Point
from stream.sampler import Sampler
from stream.samples import StreamSample
from tests.stream.synthetic import MS_NS, STEP_NS, picture, small_manifest, source_frame

U8 = NDArray[np.uint8]


class Clock:
    def __init__(self) -> None:
        self.now_ns = 10**12

    def __call__(self) -> int:
        return self.now_ns


def sampler_for(
    manifest: Manifest,
    *,
    explain: bool = False,
    region: list[Point] | None = None,
    **changes: object,
) -> Sampler:
    def open_sight(size: tuple[int, int]) -> HostSight:
        return HostSight(manifest, open_flow("dis", {}), explain=explain, region=region)

    fields: dict[str, object] = {"max_gap_s": 1.0} | changes
    return Sampler("hall", manifest, open_sight, **fields)  # type: ignore[arg-type]


def offline(images: list[U8], is_repeat: list[bool], manifest: Manifest) -> list[tuple[U8, U8]]:
    """Crop and stack of each tick, from the grid frames themselves, written out by hand."""
    (width, height), size = manifest.resize, manifest.input_size
    top, left = (height - size) // 2, (width - size) // 2
    p = manifest.flow_downsampling
    scaled = [resize(image, manifest.resize) for image in images]
    flow = open_flow("dis", {})
    no_flow = np.full((2, height // p, width // p), 128, np.uint8)
    pairs = [no_flow]
    for tick in range(1, len(scaled)):
        if is_repeat[tick]:
            pairs.append(no_flow)
        else:
            field = flow.estimate(grey(scaled[tick - 1], p), grey(scaled[tick], p))
            pairs.append(quantise(field, manifest.flows["dis"].bound_px))
    window = np.s_[top : top + size, left : left + size]
    of_flow = np.s_[top // p : (top + size) // p, left // p : (left + size) // p]
    samples = []
    for tick in range(len(scaled)):
        ends = [max(1, tick - 9 + i) for i in range(10)] if tick else [0] * 10
        planes = [pairs[end][axis][of_flow] for end in ends for axis in (0, 1)]
        samples.append((scaled[tick][window], np.stack(planes)))
    return samples


def assert_same(samples: list[StreamSample], expected: list[tuple[U8, U8]]) -> None:
    assert len(samples) == len(expected)
    for stream_sample, (rgb, stack) in zip(samples, expected, strict=True):
        np.testing.assert_array_equal(stream_sample.sample.rgb, rgb)
        np.testing.assert_array_equal(stream_sample.sample.flow, stack)


@pytest.mark.parametrize("downsampling", [1, 2])
def test_every_sample_equals_the_offline_computation(downsampling: int) -> None:
    manifest = small_manifest(flow_downsampling=downsampling)
    images = [picture(tick) for tick in range(25)]
    sampler = sampler_for(manifest)
    samples = [
        sample
        for tick, image in enumerate(images)
        for sample in sampler.push(source_frame(777 + tick * STEP_NS, image))
    ]
    assert [s.sample.tick for s in samples] == list(range(25))
    assert_same(samples, offline(images, [False] * 25, manifest))
    assert (samples[0].sample.flow == 128).all()
    assert (samples[5].sample.flow != 128).any()


def test_what_is_outside_of_the_region_is_not_looked_at() -> None:
    left = [(0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0)]
    sampler = sampler_for(small_manifest(), region=left, explain=True)
    for tick in range(4):
        (sample,) = sampler.push(source_frame(tick * STEP_NS, picture(tick)))
    assert sample.frame is not None
    assert (sample.frame[:, 32:] == GREY).all()  # of 64
    assert (sample.sample.rgb[:, 16:] == GREY).all()  # of 32
    assert (sample.sample.rgb[:, :16] != GREY).any()
    moved = np.abs(sample.sample.flow[-2].astype(int) - 128)
    assert moved[:, 26:].max() < moved[:, :14].max() / 4  # flow is smooth: its edge reaches over


def test_jitter_doubles_and_holes_equal_the_offline_computation() -> None:
    manifest = small_manifest()
    # pts in ms -> tick: 0->0, 45->1, 50 thinned (tick 1), 79->2, 240->6 (3, 4, 5 repeat), 275->7
    times_ms = [0, 45, 50, 79, 240, 275]
    sampler = sampler_for(manifest)
    samples = [
        sample
        for index, time_ms in enumerate(times_ms)
        for sample in sampler.push(source_frame(time_ms * MS_NS, picture(3 * index)))
    ]
    on_grid = [0, 1, 3, 3, 3, 3, 4, 5]
    repeats = [False, False, False, True, True, True, False, False]
    assert [s.sample.tick for s in samples] == list(range(8))
    assert [s.sample.repeated for s in samples] == repeats
    assert_same(samples, offline([picture(3 * i) for i in on_grid], repeats, manifest))
    assert (sampler.dropped["thinned"], sampler.repeated) == (1, 3)
    assert samples[-1].dropped == {"thinned": 1}


def test_a_sparse_grid_samples_every_fifth_tick_but_flows_over_all() -> None:
    manifest = small_manifest(sample_every=5)
    images = [picture(tick) for tick in range(16)]
    sampler = sampler_for(manifest)
    samples = [s for t, i in enumerate(images) for s in sampler.push(source_frame(t * STEP_NS, i))]
    assert [s.sample.tick for s in samples] == [0, 5, 10, 15]
    assert_same(samples, offline(images, [False] * 16, manifest)[::5])


def test_a_sample_inside_a_hole_comes_when_the_hole_shows() -> None:
    sampler = sampler_for(small_manifest(sample_every=5))
    for tick in range(4):
        sampler.push(source_frame(tick * STEP_NS, picture(tick)))
    (sample,) = sampler.push(source_frame(7 * STEP_NS, picture(7)))
    assert (sample.sample.tick, sample.sample.repeated) == (5, True)
    assert (sample.sample.flow[-4:] == 128).all()  # ticks 4 and 5 stand still
    np.testing.assert_array_equal(sample.sample.rgb, resize(picture(3), (64, 48))[8:40, 16:48])


def test_thinned_frames_are_never_converted() -> None:
    def unwanted() -> U8:
        raise AssertionError("a thinned frame was converted")

    sampler = sampler_for(small_manifest())
    sampler.push(source_frame(0, picture(0)))
    assert sampler.push(replace(source_frame(10 * MS_NS, picture(1)), image=unwanted)) == []


@pytest.mark.parametrize(
    ("pts_ns", "waited_ns", "lost", "reason"),
    [
        (3_000 * MS_NS, 2_900 * MS_NS, {}, Reason.STALL),  # the camera really paused
        (3_000 * MS_NS, 40 * MS_NS, {}, Reason.CLOCK_JUMP),  # only its clock leapt
        (-500 * MS_NS, 40 * MS_NS, {}, Reason.CLOCK_JUMP),
        (3_000 * MS_NS, 40 * MS_NS, {"late": 70}, Reason.OVERLOAD),
    ],
)
def test_a_hole_or_a_jump_starts_an_empty_epoch(
    pts_ns: int, waited_ns: int, lost: dict[str, int], reason: Reason
) -> None:
    clock = Clock()
    sampler = sampler_for(small_manifest(), monotonic_ns=clock)
    for tick in range(3):
        sampler.push(source_frame(tick * STEP_NS, picture(tick)))
    clock.now_ns += waited_ns
    (sample,) = sampler.push(source_frame(pts_ns, picture(9), lost=lost))
    assert (sample.sample.epoch, sample.sample.tick) == (1, 0)
    assert (sample.sample.flow == 128).all()
    assert (sampler.epoch, sampler.epoch_reason) == (1, reason)
    (after,) = sampler.push(source_frame(pts_ns + STEP_NS, picture(10)))
    expected = offline([picture(9), picture(10)], [False, False], small_manifest())
    assert_same([sample, after], expected)


def test_a_change_of_size_starts_an_epoch_and_scales_anew() -> None:
    sampler = sampler_for(small_manifest())
    sampler.push(source_frame(0, picture(0)))
    (sample,) = sampler.push(source_frame(STEP_NS, picture(1, (320, 240))))
    assert (sample.sample.epoch, sample.sample.tick) == (1, 0)
    assert sampler.epoch_reason is Reason.SIZE_CHANGE


def test_a_hole_of_just_max_gap_is_bridged() -> None:
    sampler = sampler_for(small_manifest())
    sampler.push(source_frame(0, picture(0)))
    samples = sampler.push(source_frame(1_000 * MS_NS, picture(1)))
    assert [s.sample.tick for s in samples] == list(range(1, 26))
    assert sampler.epoch == 0


def test_end_epoch_counts_once_and_only_if_there_was_one() -> None:
    sampler = sampler_for(small_manifest())
    sampler.end_epoch(Reason.CONNECTION_LOST)  # the camera was never reached
    sampler.push(source_frame(0, picture(0)))
    assert sampler.epoch == 0
    sampler.end_epoch(Reason.CONNECTION_LOST)
    sampler.end_epoch(Reason.CONNECTION_LOST)  # two attempts failed
    (sample,) = sampler.push(source_frame(5 * STEP_NS, picture(5)))
    assert (sample.sample.epoch, sample.sample.tick) == (1, 0)
    assert sampler.epoch_reason is Reason.CONNECTION_LOST


def test_a_loops_cut_starts_an_epoch_though_times_fit() -> None:
    sampler = sampler_for(small_manifest())
    sampler.push(source_frame(0, picture(0)))
    (sample,) = sampler.push(source_frame(STEP_NS, picture(1), new_epoch=True))
    assert (sample.sample.epoch, sample.sample.tick) == (1, 0)
    assert sampler.epoch_reason is None


def test_a_sample_carries_its_times_and_truth() -> None:
    clock = Clock()
    sampler = sampler_for(small_manifest(), monotonic_ns=clock, explain=True)
    frame = source_frame(0, picture(0), truth="wave", clock="rtcp", uncertainty_ms=50.0)
    (sample,) = sampler.push(frame)
    assert sample.capture_ns == frame.captured_at_ns
    assert (sample.clock, sample.uncertainty_ms, sample.truth) == ("rtcp", 50.0, "wave")
    assert list(sample.monotonic_ns) == ["captured", "sampled"]
    assert sample.frame is not None
    np.testing.assert_array_equal(sample.frame, resize(picture(0), (64, 48)))
    # a repeat is dated by its tick, not by the frame that stands in
    repeat, _ = sampler.push(source_frame(2 * STEP_NS, picture(2)))
    assert repeat.capture_ns == frame.captured_at_ns + STEP_NS
    assert repeat.truth == "wave"


def test_samples_are_snapshots() -> None:
    sampler = sampler_for(small_manifest())
    (first,) = sampler.push(source_frame(0, picture(0)))
    rgb, stack = first.sample.rgb.copy(), first.sample.flow.copy()
    for tick in range(1, 60):  # goes around the ring
        sampler.push(source_frame(tick * STEP_NS, picture(tick)))
    np.testing.assert_array_equal(first.sample.rgb, rgb)
    np.testing.assert_array_equal(first.sample.flow, stack)


def test_flow_that_is_not_wanted_is_not_estimated_and_comes_back_with_whole_stacks() -> None:
    """Between, samples have RGB alone; what comes after equals what would have come anyway."""
    manifest = small_manifest()
    images = [picture(tick) for tick in range(40)]
    wanted, estimated = True, 0
    flow = open_flow("dis", {})

    class Counting:
        name, device = "dis", "cpu"

        def estimate(self, before: U8, after: U8) -> NDArray[np.float32]:
            nonlocal estimated
            estimated += 1
            return flow.estimate(before, after)

    sight = HostSight(manifest, Counting())
    sampler = Sampler("hall", manifest, lambda size: sight, 1.0, wants_flow=lambda: wanted)
    samples = []
    for tick, image in enumerate(images):
        wanted = not 12 <= tick < 20
        samples += sampler.push(source_frame(tick * STEP_NS, image))
    assert estimated == 39 - 8
    without = [each.sample.tick for each in samples if each.sample.flow is None]
    assert without == list(range(12, 29))  # until ten pairs, 20 to 29, are there again
    expected = offline(images, [False] * 40, manifest)
    for each, (rgb, _) in zip(samples, expected, strict=True):
        np.testing.assert_array_equal(each.sample.rgb, rgb)
    assert_same(samples[:12], expected[:12])
    assert_same(samples[29:], expected[29:])


def test_an_epoch_that_begins_with_flow_has_it_from_its_first_sample() -> None:
    wanted = False
    sampler = sampler_for(small_manifest(), wants_flow=lambda: wanted)
    (sample,) = sampler.push(source_frame(0, picture(0)))
    assert sample.sample.flow is None
    wanted = True
    sampler.end_epoch(None)
    (sample,) = sampler.push(source_frame(STEP_NS, picture(1)))
    assert (sample.sample.flow == 128).all()


def test_a_sight_is_for_one_size_and_another_is_opened_for_the_next() -> None:
    opened: list[Sight] = []

    class Sight(HostSight):
        def __init__(self, size: tuple[int, int]) -> None:
            super().__init__(small_manifest(), open_flow("dis", {}))
            self.size, self.closed = size, False
            opened.append(self)

        def close(self) -> None:
            self.closed = True

    sampler = Sampler("hall", small_manifest(), Sight, 1.0)
    assert not opened
    for tick, size in enumerate([(128, 96), (128, 96), (64, 48)]):
        (sample,) = sampler.push(source_frame(tick * STEP_NS, picture(tick, size)))
    assert (sample.sample.epoch, sample.sample.tick) == (1, 0)
    assert [(each.size, each.closed) for each in opened] == [((128, 96), True), ((64, 48), False)]
    sampler.close()
    assert opened[1].closed
    sampler.push(source_frame(9 * STEP_NS, picture(9)))  # it was opened too late
    assert opened[2].closed
