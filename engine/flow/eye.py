"""One camera's sight on the GPU: frames go up once, and samples are places there."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Condition

from engine.arrays import U8
from engine.cuda.gpu import Event, Memory
from engine.flow.places import Crop, Places, Stack
from engine.flow.stack import STACK, stack_ticks
from engine.preprocess import resize
from engine.sight import View


@dataclass(frozen=True, eq=False)
class Slot:
    """A frame on its way: host, pinned; device, as large; read: the device is done with it."""

    host: U8
    device: Memory
    read: Event


@dataclass(frozen=True, eq=False)
class Given:
    """A frame that was handed over: its number, its size (width, height), and whether its flow from
    the one before is wanted.
    """

    slot: Slot
    number: int
    size: tuple[int, int]
    with_pair: bool

    @property
    def picture(self) -> U8:
        """Its bytes."""
        width, height = self.size
        return self.slot.host[: 3 * width * height]


class Eye:
    """See `engine.sight.Sight`. The capture thread adds frames, and another takes them in.

    There are few slots: a capture thread that is ahead of the GPU waits, as one does that computes
    flow itself, so that a camera that is too fast falls behind and is thinned.

    outside: what may not be seen, on the device. resize_to: (width, height), where pictures are to
    be resized on the host; None where the device does it.
    """

    def __init__(
        self,
        places: Places,
        slots: Sequence[Slot],
        *,
        outside: Memory | None,
        resize_to: tuple[int, int] | None,
        handed_over: Callable[[], object],
    ) -> None:
        self.places, self.outside = places, outside
        self._resize_to, self._handed_over = resize_to, handed_over
        self._changed = Condition()
        self._free, self._given = deque(slots), deque[Given]()
        self._slots, self._closed = tuple(slots), False
        # The rest is the capture thread's own.
        self._count = 0  # frames so far
        self._follows = False  # whether there is a frame before, of the same epoch
        self._pairs: list[int | None] = [None] * STACK  # by tick: the frame that its pair ends at

    def clear(self) -> None:
        """See Sight."""
        self._follows = False

    def add(self, tick: int, image: U8, *, with_flow: bool) -> None:
        """See Sight."""
        if self._resize_to is not None:
            image = resize(image, self._resize_to)
        slot = self._next_slot()
        if slot is None:
            return  # closed: nobody will ask for a view
        try:
            slot.host[: image.size].reshape(image.shape)[...] = image
        except BaseException:
            self.read(slot)
            raise
        height, width, _ = image.shape
        number, with_pair = self._count, with_flow and self._follows
        with self._changed:
            self._given.append(Given(slot, number, (width, height), with_pair))
        self._count, self._follows = number + 1, True
        self._pairs[tick % STACK] = number if with_pair else None
        self._handed_over()

    def repeat(self, tick: int) -> None:
        """See Sight."""
        self._pairs[tick % STACK] = None

    def view(self, tick: int, *, with_flow: bool) -> View:
        """See Sight."""
        return View(self.crop(), self.stack(tick) if with_flow else None)

    def crop(self) -> Crop:
        """The newest frame's."""
        return Crop(self.places, self._count - 1)

    def stack(self, tick: int) -> Stack:
        """The pairs that end at the newest tick, and before it."""
        return Stack(self.places, tuple(self._pairs[end % STACK] for end in stack_ticks(tick)))

    def close(self) -> None:
        """See Sight."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    # --- for the thread that gives the device its work ----------------------------------------

    def given(self) -> list[Given]:
        """What was handed over since the last time, in order."""
        with self._changed:
            given = list(self._given)
            self._given.clear()
        return given

    def read(self, slot: Slot) -> None:
        """The slot's host side may be written again."""
        with self._changed:
            self._free.append(slot)
            self._changed.notify_all()

    def left_behind(self) -> tuple[Slot, ...]:
        """Its slots, once it is closed and nothing is in them; else none."""
        with self._changed:
            done = self._closed and len(self._free) == len(self._slots)
        return self._slots if done else ()

    def _next_slot(self) -> Slot | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._free)
            return None if self._closed else self._free.popleft()
