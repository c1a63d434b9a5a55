"""The runner protocol: named arrays in, named arrays out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from engine.arrays import AnyArray
from engine.errors import GraphMismatch, RunnerError

Shape = tuple[int | None, ...]  # None: the batch, or a size that only the graph knows


@dataclass(frozen=True)
class ArraySpec:
    """One input or output of a graph. dtype: a NumPy name. shape: the batch first."""

    dtype: str
    shape: Shape

    def __str__(self) -> str:
        return f"{self.dtype} [{', '.join('?' if n is None else str(n) for n in self.shape)}]"

    def fits(self, found: ArraySpec) -> bool:
        """Whether an array of `found` is one of these."""
        return (
            self.dtype == found.dtype
            and len(self.shape) == len(found.shape)
            and all(n in (None, m) for n, m in zip(self.shape, found.shape, strict=True))
        )


@dataclass(frozen=True)
class Signature:
    """What a graph must take and give."""

    inputs: Mapping[str, ArraySpec]
    outputs: Mapping[str, ArraySpec]

    def rows(self, graph: str, inputs: Mapping[str, AnyArray]) -> int:
        """How many rows there are. Raises RunnerError unless all inputs are what `graph` takes."""
        found = {key: ArraySpec(str(a.dtype), a.shape) for key, a in inputs.items()}
        rows = {array.shape[0] for array in inputs.values() if array.ndim}
        if set(found) != set(self.inputs) or len(rows) != 1:
            raise RunnerError(f"graph {graph} takes {_list(self.inputs)}, not {_list(found)}")
        for key, spec in self.inputs.items():
            if not spec.fits(found[key]):
                raise RunnerError(f"graph {graph} takes {key} as {spec}, not {found[key]}")
        return int(rows.pop())

    def require_inputs(self, graph: str, found: Mapping[str, ArraySpec]) -> None:
        """Raises GraphMismatch where `graph` doesn't take these."""
        _require(graph, "takes", self.inputs, found)

    def require_outputs(self, graph: str, found: Mapping[str, ArraySpec]) -> None:
        """Raises GraphMismatch where `graph` doesn't give these."""
        _require(graph, "gives", self.outputs, found)


class Runner(Protocol):
    """A graph, compiled for one device. For one thread at a time.

    batches: the numbers of rows that it was compiled for, rising; any other number is made up of
        them.
    """

    device: str
    precision: str
    batches: tuple[int, ...]

    def run(self, inputs: Mapping[str, AnyArray]) -> dict[str, AnyArray]:
        """Run one batch. The arrays that come back are the caller's to keep.

        Raises RunnerError where an input is missing, or has another type or shape.
        """
        ...

    def close(self) -> None:
        """Give memory and device back. Nothing runs afterwards."""
        ...


def _require(
    graph: str, verb: str, expected: Mapping[str, ArraySpec], found: Mapping[str, ArraySpec]
) -> None:
    for key, spec in expected.items():
        if key not in found:
            raise GraphMismatch(
                f"graph {graph} {verb} no '{key}', only {_list(found)}; export the bundle again"
            )
        if not spec.fits(found[key]):
            raise GraphMismatch(
                f"graph {graph} {verb} {key} as {found[key]} where bundle.json means {spec}; "
                "export the bundle again"
            )


def _list(specs: Mapping[str, ArraySpec]) -> str:
    return ", ".join(f"{key} {spec}" for key, spec in specs.items()) or "nothing"
