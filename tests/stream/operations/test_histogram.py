import pytest

from stream.operations.histogram import BOUNDS_S, Histogram


def test_each_duration_counts_in_every_bucket_that_it_fits_in() -> None:
    histogram = Histogram()
    for duration_s in (0.01, 0.011, 0.3, 7.0):
        histogram.observe(duration_s)
    counts = histogram.counts()
    assert len(counts.at_most) == len(BOUNDS_S) + 1
    assert dict(zip(BOUNDS_S, counts.at_most, strict=False)) == {
        0.01: 1, 0.025: 2, 0.05: 2, 0.1: 2, 0.25: 2, 0.5: 3, 1.0: 3, 2.5: 3, 5.0: 3,
    }  # fmt: skip
    assert counts.at_most[-1] == 4
    assert counts.sum_s == pytest.approx(7.321)


def test_a_camera_whose_clock_is_ahead_never_lessens_the_sum() -> None:
    histogram = Histogram()
    histogram.observe(-3.0)
    counts = histogram.counts()
    assert (counts.at_most[0], counts.sum_s) == (1, 0.0)


def test_counts_that_were_given_out_stay_as_they_are() -> None:
    histogram = Histogram()
    before = histogram.counts()
    histogram.observe(0.02)
    assert before.at_most[-1] == 0
    assert histogram.counts().at_most[-1] == 1
