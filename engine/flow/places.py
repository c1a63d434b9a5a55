"""One camera's memory on the GPU: its newest grid frames and flow fields, as the CNNs take them."""

from __future__ import annotations

from dataclasses import dataclass

from engine.cuda.gpu import Memory
from engine.flow.pictures import NO_MOTION, Pictures


class Places:
    """A ring of frames by their number: each one's RGB crop, and the crop of the pair that ends at
    it. Before them lies the grey picture of the newest.

    What is given to the device happens in its order: so a frame is there from when it was taken in
    until as many as the ring holds were taken in after it.

    taken_in: how many frames that are.
    """

    def __init__(self, pictures: Pictures, frames: int, memory: Memory) -> None:
        self.memory, self.taken_in = memory, 0
        self._pictures, self._frames = pictures, frames

    @staticmethod
    def size_bytes(pictures: Pictures, frames: int) -> int:
        """What a ring of so many frames takes."""
        return pictures.grey_bytes + frames * (pictures.rgb_bytes + pictures.pair_bytes)

    @property
    def grey(self) -> int:
        """Address of the newest frame's grey picture."""
        return int(self.memory)

    def rgb(self, number: int) -> int:
        """Address of a frame's crop."""
        pictures = self._pictures
        place = number % self._frames * (pictures.rgb_bytes + pictures.pair_bytes)
        return self.grey + pictures.grey_bytes + place

    def pair(self, number: int) -> int:
        """Address of the pair that ends at a frame."""
        return self.rgb(number) + self._pictures.rgb_bytes

    def require(self, number: int) -> None:
        """Raises RuntimeError where a frame isn't there, which would be a bug."""
        if not self.taken_in - self._frames <= number < self.taken_in:
            raise RuntimeError(
                f"a sample's frame {number} isn't on the GPU: {self.taken_in} were taken in, of "
                f"which it holds {self._frames}"
            )


@dataclass(frozen=True, eq=False)
class Crop:
    """A frame's crop, as a row of the RGB graph; see `engine.sight.Parts`."""

    places: Places
    number: int

    def addresses(self) -> list[int]:
        """See Parts."""
        self.places.require(self.number)
        return [self.places.rgb(self.number)]


@dataclass(frozen=True, eq=False)
class Stack:
    """Pairs by the frames that they end at, None for no motion: a row of the flow graph."""

    places: Places
    numbers: tuple[int | None, ...]

    def addresses(self) -> list[int]:
        """See Parts."""
        for number in self.numbers:
            if number is not None:
                self.places.require(number)
        return [NO_MOTION if n is None else self.places.pair(n) for n in self.numbers]
