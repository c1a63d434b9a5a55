"""Backgrounds: rooms, streets, fields and plain textured walls, each drawn once for a shot."""

from __future__ import annotations

import cv2
import numpy as np

from stream.scene.shapes import U8, Colour, shade

KINDS = ("room", "street", "field", "hall", "plain")


def background(rng: np.random.Generator, width: int, height: int, horizon: float) -> U8:
    """A picture [height,width,3] RGB whose floor begins at `horizon` (share of the height)."""
    image = np.empty((height, width, 3), np.uint8)
    line = int(horizon * height)
    kind = KINDS[rng.integers(len(KINDS))]
    _DRAWERS[kind](rng, image, line)
    return _textured(rng, image)


def _colour(rng: np.random.Generator, low: int, high: int) -> Colour:
    r, g, b = (int(c) for c in rng.integers(low, high, 3))
    return r, g, b


def _greyish(rng: np.random.Generator, low: int, high: int) -> Colour:
    base = int(rng.integers(low, high))
    r, g, b = (int(np.clip(base + c, 0, 255)) for c in rng.integers(-18, 19, 3))
    return r, g, b


def _fill(image: U8, top: int, bottom: int, upper: Colour, lower: Colour) -> None:
    """A vertical gradient between two rows."""
    if bottom > top:
        share = np.linspace(0.0, 1.0, bottom - top)[:, None, None]
        image[top:bottom] = np.array(upper) * (1 - share) + np.array(lower) * share


def _rectangle(image: U8, x: float, y: float, w: float, h: float, colour: Colour) -> None:
    a, b = (int(x), int(y)), (int(x + w), int(y + h))
    cv2.rectangle(image, a, b, colour, -1)
    cv2.rectangle(image, a, b, shade(colour, 0.7), 1, cv2.LINE_AA)


def _room(rng: np.random.Generator, image: U8, line: int) -> None:
    height, width = image.shape[:2]
    wall, floor = _greyish(rng, 90, 225), _greyish(rng, 60, 170)
    _fill(image, 0, line, shade(wall, 1.08), wall)
    _fill(image, line, height, floor, shade(floor, 1.2))
    if rng.random() < 0.5:  # boards that run to the middle
        for x in np.linspace(-width, 2 * width, 26):
            end = (int(x), height)
            start = (int(width / 2 + (x - width / 2) * 0.35), line)
            cv2.line(image, start, end, shade(floor, 0.85), 1, cv2.LINE_AA)
    cv2.rectangle(image, (0, line - height // 50), (width, line), shade(wall, 0.6), -1)
    for _ in range(int(rng.integers(2, 6))):  # windows, pictures, doors
        x, w = rng.uniform(0, width * 0.95), rng.uniform(0.05, 0.16) * width
        top, h = rng.uniform(0.08, 0.3) * height, rng.uniform(0.12, 0.3) * height
        if rng.random() < 0.3:
            _rectangle(image, x, line - 0.5 * height, w, 0.5 * height, _greyish(rng, 60, 200))
        else:
            _rectangle(image, x, top, w, h, _colour(rng, 60, 255))
            _rectangle(image, x + w * 0.1, top + h * 0.1, w * 0.8, h * 0.8, _colour(rng, 60, 255))
    for _ in range(int(rng.integers(1, 5))):  # furniture against the wall
        w, h = rng.uniform(0.07, 0.22) * width, rng.uniform(0.1, 0.35) * height
        x, wood = rng.uniform(0, width * 0.9), _colour(rng, 40, 170)
        _rectangle(image, x, line - h + 0.03 * height, w, h, wood)
        for row in range(1, int(rng.integers(2, 5))):
            y = int(line - h + 0.03 * height + row * h / 4)
            cv2.line(image, (int(x), y), (int(x + w), y), shade(wood, 0.7), 1, cv2.LINE_AA)


def _street(rng: np.random.Generator, image: U8, line: int) -> None:
    height, width = image.shape[:2]
    _fill(image, 0, line, (120, 165, 215), (215, 225, 235))
    x = -0.1 * width
    while x < width:
        w, h = rng.uniform(0.08, 0.2) * width, rng.uniform(0.3, 1.1) * line
        house = _greyish(rng, 80, 200)
        _rectangle(image, x, line - h, w, h, house)
        step = max(6.0, 0.045 * width)
        glass = _greyish(rng, 40, 130)
        for wx in np.arange(x + step * 0.3, x + w - step * 0.6, step):
            for wy in np.arange(line - h + step * 0.4, line - step * 0.6, step * 1.3):
                _rectangle(image, wx, wy, step * 0.5, step * 0.7, glass)
        x += w
    road = _greyish(rng, 70, 130)
    _fill(image, line, height, shade(road, 1.35), road)
    kerb = line + int(0.12 * (height - line))
    cv2.rectangle(image, (0, line), (width, kerb), _greyish(rng, 150, 200), -1)
    for _ in range(int(rng.integers(0, 4))):  # lamp posts and trees
        px = int(rng.uniform(0, width))
        cv2.line(image, (px, kerb), (px, int(0.25 * line)), (70, 70, 75), 3, cv2.LINE_AA)
        if rng.random() < 0.5:
            crown = int(0.09 * height)
            cv2.circle(image, (px, int(0.3 * line)), crown, (60, 110, 50), -1, cv2.LINE_AA)


def _field(rng: np.random.Generator, image: U8, line: int) -> None:
    height, width = image.shape[:2]
    _fill(image, 0, line, (105, 160, 225), (220, 230, 240))
    hill = _colour(rng, 60, 130)
    xs = np.linspace(0, width, 30)
    tops = line - height * (
        0.08 + 0.06 * np.sin(xs / width * rng.uniform(4, 12) + rng.uniform(0, 6))
    )
    outline = np.stack((np.append(xs, (width, 0)), np.append(tops, (line, line))), axis=1)
    cv2.fillPoly(image, [outline.astype(np.int32)], hill)
    for _ in range(int(rng.integers(2, 14))):
        x, size = rng.uniform(0, width), rng.uniform(0.03, 0.1) * height
        green = (int(rng.integers(30, 80)), int(rng.integers(80, 140)), int(rng.integers(25, 70)))
        cv2.line(image, (int(x), line), (int(x), int(line - size)), (80, 60, 40), 2, cv2.LINE_AA)
        cv2.circle(image, (int(x), int(line - size * 1.5)), int(size), green, -1, cv2.LINE_AA)
    grass = (int(rng.integers(70, 140)), int(rng.integers(120, 170)), int(rng.integers(50, 90)))
    _fill(image, line, height, shade(grass, 0.85), shade(grass, 1.1))
    if rng.random() < 0.4:  # a pitch's white lines
        for share in (0.2, 0.7):
            y = int(line + share * (height - line))
            cv2.line(image, (0, y), (width, y), (235, 240, 235), 2, cv2.LINE_AA)


def _hall(rng: np.random.Generator, image: U8, line: int) -> None:
    height, width = image.shape[:2]
    wall, floor = _colour(rng, 70, 220), _greyish(rng, 90, 200)
    _fill(image, 0, line, wall, shade(wall, 0.85))
    _fill(image, line, height, shade(floor, 0.85), floor)
    pitch = float(rng.uniform(0.04, 0.12)) * width
    for x in np.arange(0, width, pitch):  # panels or bars
        cv2.line(image, (int(x), 0), (int(x), line), shade(wall, 0.75), 1, cv2.LINE_AA)
    if rng.random() < 0.5:
        for y in np.arange(0, line, pitch * rng.uniform(0.4, 1.0)):
            cv2.line(image, (0, int(y)), (width, int(y)), shade(wall, 0.75), 1, cv2.LINE_AA)
    _rectangle(image, 0, line - 0.14 * height, width, 0.05 * height, _colour(rng, 30, 230))


def _plain(rng: np.random.Generator, image: U8, line: int) -> None:
    height, width = image.shape[:2]
    _fill(image, 0, line, _greyish(rng, 60, 240), _greyish(rng, 60, 240))
    _fill(image, line, height, _greyish(rng, 60, 220), _greyish(rng, 60, 220))
    for _ in range(int(rng.integers(0, 7))):  # soft blots of colour
        at = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        cv2.circle(image, at, int(rng.uniform(0.03, 0.15) * height), _colour(rng, 50, 240), -1)
    size = int(0.02 * height) * 2 + 1
    cv2.GaussianBlur(image, (size, size), 0, dst=image)


_DRAWERS = {"room": _room, "street": _street, "field": _field, "hall": _hall, "plain": _plain}


def _textured(rng: np.random.Generator, image: U8) -> U8:
    """Noise of several grain sizes, so that optical flow has something to hold on to."""
    height, width = image.shape[:2]
    strength = float(rng.uniform(3.0, 11.0))
    noise = np.zeros((height, width), np.float32)
    for share in (0.006, 0.018, 0.06):
        grain = max(2, round(share * height))
        small = rng.standard_normal((height // grain + 1, width // grain + 1), np.float32)
        noise += cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
    noise *= strength / 1.6
    lit = cv2.add(image, cv2.merge((noise, noise, noise)), dtype=cv2.CV_8U)
    return np.asarray(lit, np.uint8)
