"""The figure: what the actor looks like, and the shapes of its body."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream.scene.body import LEFT, RIGHT, Joints
from stream.scene.shapes import Colour, Shape, ball, limb, shade

_SKIN = ((244, 208, 177), (224, 172, 125), (198, 134, 86), (141, 85, 50), (92, 58, 38))
_HAIR = (
    (35, 25, 20),
    (80, 50, 30),
    (150, 100, 50),
    (205, 170, 100),
    (120, 120, 120),
    (110, 40, 20),
)


@dataclass(frozen=True)
class Figure:
    """An actor's looks. `build` scales the thickness of body and limbs."""

    skin: Colour
    hair: Colour
    long_hair: bool
    shirt: Colour
    stripe: Colour | None
    sleeves: int  # bare, short, long
    trousers: Colour
    shorts: bool
    shoes: Colour
    build: float

    @classmethod
    def drawn_from(cls, rng: np.random.Generator, long_hair: bool | None = None) -> Figure:
        """A random actor; `long_hair` None leaves the hair to chance."""
        shirt = _cloth(rng)
        return cls(
            skin=_SKIN[rng.integers(len(_SKIN))],
            hair=_HAIR[rng.integers(len(_HAIR))],
            long_hair=bool(rng.random() < 0.3) if long_hair is None else long_hair,
            shirt=shirt,
            stripe=_cloth(rng) if rng.random() < 0.4 else None,
            sleeves=int(rng.integers(3)),
            trousers=shade(_cloth(rng), 0.8),
            shorts=bool(rng.random() < 0.25),
            shoes=_cloth(rng),
            build=float(rng.uniform(0.82, 1.25)),
        )

    def shapes(self, joints: Joints) -> list[Shape]:
        """The body in the body frame."""
        b = self.build
        parts: list[Shape] = []
        for side in (LEFT, RIGHT):
            parts += self._leg(joints, side, b) + self._arm(joints, side, b)
        parts += self._torso(joints, b) + self._head(joints)
        return parts

    def _leg(self, j: Joints, side: int, b: float) -> list[Shape]:
        hip, knee, ankle, toe = j.hips[side], j.knees[side], j.ankles[side], j.toes[side]
        shin = self.skin if self.shorts else self.trousers
        heel = ankle + np.array((0.0, -0.018, -0.012))
        return [
            limb(hip, knee, (0.056 * b, 0.040 * b), self.trousers),
            limb(knee, ankle, (0.037 * b, 0.025 * b), shin),
            limb(heel, toe, (0.024, 0.017), self.shoes, nearer=0.005),
        ]

    def _arm(self, j: Joints, side: int, b: float) -> list[Shape]:
        shoulder, elbow, wrist = j.shoulders[side], j.elbows[side], j.wrists[side]
        upper = self.skin if self.sleeves == 0 else self.shirt
        lower = self.shirt if self.sleeves == 2 else self.skin
        return [
            limb(shoulder, elbow, (0.036 * b, 0.028 * b), upper, nearer=0.01),
            limb(elbow, wrist, (0.027 * b, 0.020 * b), lower, nearer=0.01),
            limb(wrist, j.fingers[side], (0.020, 0.017), self.skin, nearer=0.012),
        ]

    def _torso(self, j: Joints, b: float) -> list[Shape]:
        left, right = j.shoulders
        middle = (left + right) / 2
        corners = np.array(
            (middle + (left - middle) * 0.78, middle + (right - middle) * 0.78, *j.hips)
        )
        parts = [
            Shape(corners, (0.046 * b, 0.046 * b, 0.058 * b, 0.058 * b), self.shirt),
            Shape(j.hips.copy(), (0.058 * b,) * 2, self.trousers, nearer=0.002),
            limb(j.neck, j.head, (0.028, 0.026), self.skin),
        ]
        if self.stripe is not None:
            for share in (0.25, 0.55):
                band = corners[:2] * (1 - share) + corners[2:] * share
                parts.append(Shape(band, (0.022,) * 2, self.stripe, 0.003, outline=False))
        return parts

    def _head(self, j: Joints) -> list[Shape]:
        face, up = j.facing, j.crown
        across = np.cross(up, face)
        chin = j.head - up * 0.03 + face * 0.012
        parts = [
            Shape(np.array((j.head + up * 0.012 + face * 0.008, chin)), (0.058, 0.043), self.skin),
            ball(j.head + face * 0.062 - up * 0.008, 0.011, self.skin, nearer=0.01),
            limb(
                j.head + up * 0.03 - face * 0.012,
                j.head - up * 0.005 - face * 0.03,
                (0.056, 0.05),
                self.hair,
            ),
        ]
        for sign in (1.0, -1.0):
            eye = j.head + face * 0.058 + across * (0.022 * sign) + up * 0.008
            # An eye belongs to the face's surface: turned away, the skin hides it.
            parts.append(ball(eye, 0.006, (30, 25, 25), nearer=-0.015))
        if self.long_hair:
            nape = j.head - face * 0.03
            down = j.neck - j.torso[:, 2] * 0.055 - j.torso[:, 1] * 0.09
            parts.append(limb(nape, down, (0.06, 0.05), self.hair))
            for sign in (1.0, -1.0):
                temple = j.head + across * (0.055 * sign) - face * 0.01
                tip = j.neck + across * (0.075 * sign) - j.torso[:, 1] * 0.06
                parts.append(limb(temple, tip, (0.02, 0.024), self.hair, nearer=0.02))
        return parts


def _cloth(rng: np.random.Generator) -> Colour:
    r, g, b = (int(c) for c in rng.integers(20, 240, 3))
    return r, g, b
