"""How often a precision gives fp32's answers, on the same samples, through the same recogniser."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from engine.recogniser import Recogniser, Sample


@dataclass(frozen=True)
class Agreement:
    """Of `predictions`, `agreed` name fp32's action.

    largest, mean: the difference of a prediction's probabilities, that of the class which differs
        most: the largest of all predictions, and the mean over them.
    """

    predictions: int
    agreed: int
    largest: float
    mean: float

    @property
    def share(self) -> float:
        """Of predictions that agree, 0..1."""
        return self.agreed / max(1, self.predictions)

    def __str__(self) -> str:
        return (
            f"{self.share:.2%} of {self.predictions} predictions name fp32's action; "
            f"probabilities differ by {self.mean:.1e} on average, {self.largest:.1e} at most"
        )


def compare(samples: Iterable[Sample], reference: Recogniser, other: Recogniser) -> Agreement:
    """Give every sample to both, one camera after the other."""
    agreed, differences, camera = 0, [], ""
    for sample in samples:
        if sample.camera != camera:
            reference.forget(camera)
            other.forget(camera)
            camera = sample.camera
        [expected] = reference.step([sample])
        [found] = other.step([sample])
        agreed += int(found.probabilities.argmax() == expected.probabilities.argmax())
        differences.append(float(np.abs(found.probabilities - expected.probabilities).max()))
    return Agreement(
        predictions=len(differences),
        agreed=agreed,
        largest=max(differences, default=0.0),
        mean=sum(differences) / max(1, len(differences)),
    )
