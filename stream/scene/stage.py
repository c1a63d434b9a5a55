"""The stage of one shot: its camera, its light, its background and the grain of its sensor."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from stream.scene.backgrounds import background
from stream.scene.shapes import F64, U8, Colour

_GRAIN_TILES = 2  # each frame takes one of them at a random offset
_GRAIN_ROOM_PX = 64
_REFERENCE_HEIGHT_PX = 240


@dataclass
class Camera:
    """A camera that follows the actor. Lengths in figure heights; only `follow` changes it.

    Perspective with the actor at `distance`; `elevation` (radians) looks down a little.
    """

    width: int
    height: int
    figure_share: float  # the figure's height as a share of the frame's
    foot_line: float  # where the ground is, as a share of the frame's height
    distance: float
    elevation: float
    slack: float  # the actor may leave the middle by this much before the camera pans
    centre_x: float = 0.0
    centre_y: float = 0.0
    centre_z: float = 0.0
    shake_px: tuple[float, float] = (0.0, 0.0)

    def follow(self, place: F64) -> None:
        """Pan and dolly so that the actor at world `place` [3] stays within the slack."""
        x, y, z = (float(value) for value in place)
        self.centre_x = min(max(self.centre_x, x - self.slack), x + self.slack)
        self.centre_y = min(max(self.centre_y, y - 0.1), y + 0.1)
        self.centre_z = min(max(self.centre_z, z - 0.15), z + 0.15)

    @property
    def scale_px(self) -> float:
        return self.figure_share * self.height

    def project(self, points: F64) -> tuple[F64, F64, F64]:
        """World points [n,3] -> pixels [n,2], px per unit [n], nearness [n]."""
        x = points[:, 0] - self.centre_x
        y = points[:, 1] - self.centre_y
        z = points[:, 2] - self.centre_z
        s, c = np.sin(self.elevation), np.cos(self.elevation)
        up, near = y * c - z * s, y * s + z * c
        scale = self.scale_px * self.distance / np.maximum(self.distance - near, 0.3)
        px = self.width / 2 + x * scale + self.shake_px[0]
        py = self.height * self.foot_line - up * scale + self.shake_px[1]
        return np.stack((px, py), axis=1), scale, near

    def background_shift(self) -> tuple[float, float]:
        """How far the background has moved in the frame, px; what is far moves less."""
        share = 0.75 * self.scale_px
        return (
            -self.centre_x * share + self.shake_px[0],
            self.centre_y * share + self.shake_px[1],
        )


@dataclass(frozen=True)
class Light:
    """Lighting as one table from drawn to seen values. lut [256,3] uint8."""

    lut: U8

    @classmethod
    def drawn_from(cls, rng: np.random.Generator) -> Light:
        """Random brightness, contrast, gamma and colour cast, mostly mild."""
        brightness, contrast = rng.uniform(-26, 26), rng.uniform(0.68, 1.12)
        gamma = float(np.exp(rng.normal(0.0, 0.18)))
        cast = 1.0 + rng.normal(0.0, 0.05, 3)
        level = np.arange(256)[:, None] / 255.0
        seen = ((level**gamma - 0.5) * contrast + 0.5) * cast * 255.0 + brightness
        return cls(np.clip(np.rint(seen), 0, 255).astype(np.uint8))

    def tint(self, colour: Colour) -> Colour:
        r, g, b = (int(self.lut[channel, i]) for i, channel in enumerate(colour))
        return r, g, b

    def apply(self, image: U8) -> U8:
        return np.asarray(cv2.LUT(image, self.lut[None]), np.uint8)


class Backdrop:
    """The lit background of a shot, larger than the frame, and mirrored where it ends."""

    def __init__(
        self, rng: np.random.Generator, width: int, height: int, horizon: float, light: Light
    ) -> None:
        self._size = (width, height)
        self._margin = (int(0.35 * width), int(0.1 * height))
        whole = (width + 2 * self._margin[0], height + 2 * self._margin[1])
        # The horizon is a share of the frame; the picture has a margin above and below it.
        line = (horizon * height + self._margin[1]) / whole[1]
        self._picture = light.apply(background(rng, *whole, line))

    def view(self, shift_px: tuple[float, float]) -> U8:
        """A fresh frame [H,W,3] of the background moved by `shift_px`."""
        (width, height), (left, top) = self._size, self._margin
        if shift_px == (0.0, 0.0):
            return self._picture[top : top + height, left : left + width].copy()
        move = np.array(((1.0, 0.0, shift_px[0] - left), (0.0, 1.0, shift_px[1] - top)))
        frame = cv2.warpAffine(
            self._picture, move, (width, height), borderMode=cv2.BORDER_REFLECT_101
        )
        return np.asarray(frame, np.uint8)


class Grain:
    """Sensor noise: a few tiles drawn once, shown at another offset each frame."""

    def __init__(self, rng: np.random.Generator, width: int, height: int, sigma: float) -> None:
        self._size = (width, height)
        # The grain is as coarse in a large frame as in a small one, as seen at the model's scale.
        coarse = max(1.0, height / _REFERENCE_HEIGHT_PX)
        whole = (width + _GRAIN_ROOM_PX, height + _GRAIN_ROOM_PX)
        small = (_GRAIN_TILES, int(whole[1] / coarse) + 1, int(whole[0] / coarse) + 1, 3)
        noise = rng.standard_normal(small, np.float32) * sigma
        grown = [cv2.resize(tile, whole, interpolation=cv2.INTER_LINEAR) for tile in noise]
        self._tiles = np.rint(np.stack(grown)).astype(np.int16)  # [tiles,H+room,W+room,3]

    def add(self, image: U8, rng: np.random.Generator) -> U8:
        width, height = self._size
        tile, x, y = rng.integers((_GRAIN_TILES, _GRAIN_ROOM_PX, _GRAIN_ROOM_PX))
        patch = self._tiles[tile, y : y + height, x : x + width]
        return np.asarray(cv2.add(image, patch, dtype=cv2.CV_8U), np.uint8)


def shadow(image: U8, camera: Camera, place: F64, lift: float) -> None:
    """Darken a soft ellipse on the ground under the actor at world `place`, in place."""
    (at,), (scale,), _ = camera.project(place[None])
    fade = max(0.35, 1.0 - 2.0 * lift)
    wide, flat = 0.2 * scale * fade, 0.035 * scale * fade
    x0, x1 = int(max(0, at[0] - wide)), int(min(image.shape[1], at[0] + wide))
    y0, y1 = int(max(0, at[1] - flat)), int(min(image.shape[0], at[1] + flat))
    if x1 <= x0 or y1 <= y0:
        return
    dx = (np.arange(x0, x1) - at[0]) / wide
    dy = (np.arange(y0, y1) - at[1]) / flat
    depth = 1.0 - 0.45 * np.clip(1.0 - dx[None] ** 2 - dy[:, None] ** 2, 0.0, 1.0)
    image[y0:y1, x0:x1] = image[y0:y1, x0:x1] * depth[:, :, None]
