"""A part of the picture, looked at as if it were all."""

import numpy as np
import pytest

from engine.flow.open import open_flow
from stream.host_sight import HostSight
from stream.sampler import Sampler
from stream.zoom import Zoom, ZoomedSight, problem_with
from tests.stream.synthetic import STEP_NS, picture, small_manifest, source_frame


@pytest.mark.parametrize(
    ("corners", "zoom"),
    [
        (((0.0, 0.0), (1.0, 1.0)), (0.0, 0.0, 1.0)),
        (((0.5, 0.25), (0.75, 0.5)), (0.5, 0.25, 0.25)),  # of the picture's proportions
        (((0.25, 0.25), (0.75, 0.5)), (0.25, 0.125, 0.5)),  # too wide: it grows up and down
        (((0.5, 0.0), (0.75, 0.5)), (0.375, 0.0, 0.5)),  # too high: to both sides
        (((0.25, 0.75), (0.75, 1.0)), (0.25, 0.5, 0.5)),  # at the bottom only up
        (((0.75, 0.0), (1.0, 1.0)), (0.0, 0.0, 1.0)),  # there is no more
    ],
)
def test_a_rectangle_grows_to_the_pictures_proportions(
    corners: tuple[tuple[float, float], ...], zoom: tuple[float, float, float]
) -> None:
    found = Zoom.around(corners)
    assert (found.left, found.top, found.side) == pytest.approx(zoom)


def test_it_is_cut_from_pictures_of_any_size() -> None:
    zoom = Zoom(left=0.5, top=0.25, side=0.25)
    image = np.arange(48 * 64 * 3).reshape(48, 64, 3).astype(np.uint8)
    np.testing.assert_array_equal(zoom.of(image), image[12:24, 32:48])
    assert zoom.size((64, 48)) == (16, 12)
    assert zoom.size((1921, 1081)) == zoom.of(np.zeros((1081, 1921, 3), np.uint8)).shape[1::-1]
    assert zoom.points([(0.5, 0.25), (0.625, 0.5), (0.0, 0.0)]) == [(0, 0), (0.5, 1), (-2, -1)]


def test_samples_are_those_of_a_camera_that_shows_only_this_part() -> None:
    manifest, zoom = small_manifest(), Zoom(left=0.25, top=0.5, side=0.5)

    def sampler(zoomed: bool) -> Sampler:
        sight = HostSight(manifest, open_flow("dis", {}))
        return Sampler(
            "hall", manifest, lambda _: ZoomedSight(sight, zoom) if zoomed else sight, 1.0
        )

    of_whole, of_part = sampler(True), sampler(False)
    for tick in (0, 1, 2, 4, 5):
        image = picture(tick, (256, 192))
        (*_, one), (*_, other) = (
            of_whole.push(source_frame(tick * STEP_NS, image)),
            of_part.push(source_frame(tick * STEP_NS, zoom.of(image).copy())),
        )
        np.testing.assert_array_equal(one.sample.rgb, other.sample.rgb)
        np.testing.assert_array_equal(one.sample.flow, other.sample.flow)
    assert (one.sample.flow != 128).any()


def test_what_can_not_be_zoomed_to_is_told() -> None:
    assert problem_with(((0.1, 0.2), (0.5, 0.9))) is None
    assert str(problem_with(((0, 0), (1, 1), (1, 0)))).startswith("has 3 corners")
    assert "beyond" in str(problem_with(((0.0, float("nan")), (1.0, 1.0))))
    assert "at least 5%" in str(problem_with(((0.5, 0.5), (0.5, 0.9))))
