"""Camera, light and drawing order."""

import numpy as np
import pytest

from stream.scene.shapes import ball, box, draw
from stream.scene.stage import Backdrop, Camera, Grain, Light


def _camera(**changed: float) -> Camera:
    fixed = {"figure_share": 0.5, "foot_line": 0.9, "distance": 4.0, "elevation": 0.0, "slack": 0.3}
    return Camera(320, 240, **{**fixed, **changed})  # type: ignore[arg-type]


def test_projection_by_hand() -> None:
    pixels, scale, near = _camera().project(
        np.array(((0.0, 0.0, 0.0), (0.5, 1.0, 0.0), (0, 0, 2.0)))
    )
    # The figure is 120 px high and stands at 0.9 * 240 px; half-way to the camera, twice as big.
    np.testing.assert_allclose(pixels, ((160, 216), (220, 96), (160, 216)))
    np.testing.assert_allclose(scale, (120, 120, 240))
    np.testing.assert_allclose(near, (0, 0, 2))


def test_the_camera_pans_only_when_the_actor_leaves_its_slack() -> None:
    camera = _camera()
    camera.follow(np.array((0.25, 0.0, 0.0)))
    assert camera.centre_x == 0.0
    camera.follow(np.array((1.0, 0.0, 0.0)))
    assert camera.centre_x == pytest.approx(0.7)
    camera.follow(np.array((0.9, 0.0, 0.0)))
    assert camera.centre_x == pytest.approx(0.7)


def test_what_is_nearer_covers_what_is_farther() -> None:
    light = Light(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))
    red, blue = (200, 0, 0), (0, 0, 200)
    near, far = ball((0, 0.5, 0.5), 0.1, red), ball((0, 0.5, -0.5), 0.1, blue)
    for shapes in ([near, far], [far, near]):
        image = np.zeros((240, 320, 3), np.uint8)
        draw(image, shapes, np.eye(3, 4), _camera(), light)
        pixels, _, _ = _camera().project(near.points)
        x, y = pixels[0].astype(int)
        assert tuple(image[y, x]) == red


def test_drawing_outside_the_frame_or_nothing_at_all_is_harmless() -> None:
    light = Light(np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1))
    image = np.zeros((240, 320, 3), np.uint8)
    draw(image, [], np.eye(3, 4), _camera(), light)
    draw(image, box((50, 50, 0), (51, 51, 1), (255, 255, 255)), np.eye(3, 4), _camera(), light)
    draw(image, [ball((0, 0, 99.0), 0.1, (9, 9, 9))], np.eye(3, 4), _camera(), light)
    assert image.shape == (240, 320, 3)


def test_light_is_monotonic_in_each_channel() -> None:
    for seed in range(20):
        lut = Light.drawn_from(np.random.default_rng(seed)).lut.astype(int)
        assert (np.diff(lut, axis=0) >= 0).all()
        assert (lut[-1] - lut[0] > 90).all()  # never so flat that nothing can be seen


def test_the_background_moves_by_the_shift() -> None:
    light = Light.drawn_from(np.random.default_rng(0))
    backdrop = Backdrop(np.random.default_rng(1), 320, 240, 0.6, light)
    still, moved = backdrop.view((0.0, 0.0)), backdrop.view((8.0, -3.0))
    difference = np.abs(moved[:237, 8:].astype(int) - still[3:, :-8].astype(int))
    assert difference.max() <= 1  # rounding in the resampling
    assert backdrop.view((5000.0, -700.0)).shape == (240, 320, 3)  # panned far off, still a picture


def test_grain_changes_from_frame_to_frame_in_proportion_to_sigma() -> None:
    grey = np.full((240, 320, 3), 128, np.uint8)
    weak, strong = (Grain(np.random.default_rng(0), 320, 240, sigma) for sigma in (2.0, 6.0))
    first, second = (strong.add(grey, np.random.default_rng(n)).astype(int) for n in (1, 2))
    ratio = first.std() / weak.add(grey, np.random.default_rng(1)).std()
    assert ratio == pytest.approx(3.0, rel=0.1)
    assert abs(first.mean() - 128) < 0.1
    assert (first != second).mean() > 0.5
