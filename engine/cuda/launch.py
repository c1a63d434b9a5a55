"""A kernel's start as plain data, so that it can be planned and tested without a GPU."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Buffer:
    """A piece of device memory by its name, from an offset on."""

    name: str
    offset_bytes: int = 0


Argument = Buffer | np.int32 | np.float32 | None  # None: a null pointer


@dataclass(frozen=True)
class Launch:
    """grid and block are (x, y, z). shared_bytes: of dynamic shared memory, for each block."""

    kernel: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    arguments: tuple[Argument, ...]
    shared_bytes: int = 0

    @property
    def format(self) -> str:
        """The arguments' types in the letters of `struct`: P, i or f."""
        return "".join(_letter(each) for each in self.arguments)

    def values(self, addresses: Mapping[str, int]) -> tuple[int | float, ...]:
        """The arguments, given where each buffer lies."""
        return tuple(_value(each, addresses) for each in self.arguments)

    def packed(self, addresses: Mapping[str, int]) -> bytes:
        """The same as the driver reads them: aligned as in a C struct."""
        return struct.pack(self.format, *self.values(addresses))


def _letter(argument: Argument) -> str:
    if argument is None or isinstance(argument, Buffer):
        return "P"
    return "i" if isinstance(argument, np.int32) else "f"


def _value(argument: Argument, addresses: Mapping[str, int]) -> int | float:
    if argument is None:
        return 0
    if isinstance(argument, Buffer):
        return addresses[argument.name] + argument.offset_bytes
    return argument.item()
