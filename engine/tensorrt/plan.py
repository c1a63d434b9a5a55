"""Plans, kept from one start to the next.

A plan runs on the GPU and the TensorRT that it was built by, and on no other. Its file is named by
all that it depends on, and says so inside too, so that one that was copied or renamed is noticed.
"""

from __future__ import annotations

import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import msgspec

from engine.cache import keep, read_kept

log = logging.getLogger(__name__)


class PlanKey(msgspec.Struct, frozen=True):
    """What a plan depends on.

    graph: the SHA-256 of the ONNX text. weights: the version of what is made of its weights.
    arch: the GPU's compute capability, such as sm_90. precision: of its floats.
    batches: the sizes asked for, a profile each.
    """

    graph: str
    weights: int
    tensorrt: str
    gpu: str
    arch: str
    precision: str
    batches: tuple[int, ...]

    @property
    def digest(self) -> str:
        return hashlib.sha256(msgspec.json.encode(self)).hexdigest()

    @property
    def builder(self) -> str:
        """Who builds such a plan, in words."""
        return f"{self.gpu} ({self.arch}) by TensorRT {self.tensorrt}"


@dataclass(frozen=True)
class Plan:
    """batches: the sizes that were built, in the order of the profiles."""

    batches: tuple[int, ...]
    text: bytes


class _Head(msgspec.Struct, frozen=True):
    key: PlanKey
    batches: tuple[int, ...]


class PlanFile:
    """Where the plan of one graph is kept. folder: None for nowhere."""

    def __init__(self, folder: Path | None, name: str, key: PlanKey) -> None:
        self._name, self._key = name, key
        self._stem = f"{name}-{key.precision}-{key.graph[:12]}"
        self.path = folder and folder / f"{self._stem}-{key.digest[:16]}.plan"

    def read(self) -> Plan | None:
        """The plan, if there is one for this very key. What is there and no use is told of."""
        if self.path is None:
            return None
        if (content := read_kept(self.path)) is None:
            self._tell_of_others(self.path.parent)
            return None
        if (found := _parsed(content)) is None:
            log.warning("building again, since %s is no plan of this version", self.path)
            return None
        head, plan = found
        if head.key != self._key:
            log.warning(
                "building again, since %s is for %s, and this is %s",
                self.path,
                head.key.builder,
                self._key.builder,
            )
            return None
        return plan

    def keep(self, plan: Plan) -> None:
        """For the next start."""
        if self.path is not None:
            head = msgspec.json.encode(_Head(self._key, plan.batches))
            keep(self.path, head + b"\n" + plan.text)

    def _tell_of_others(self, folder: Path) -> None:
        """A build takes minutes: whoever thought that it was done wants to know why not."""
        for other in sorted(folder.glob(f"{self._stem}-*.plan")):
            content = read_kept(other) if other != self.path else None
            found = _parsed(content) if content else None
            if found and found[0].key.builder != self._key.builder:
                log.warning(
                    "the plan of %s in %s is for %s, which is no use to %s; building another",
                    self._name,
                    other,
                    found[0].key.builder,
                    self._key.builder,
                )


def _parsed(content: bytes) -> tuple[_Head, Plan] | None:
    line, _, text = content.partition(b"\n")
    try:
        head = msgspec.json.decode(line, type=_Head)
    except msgspec.DecodeError:
        return None
    return head, Plan(head.batches, text)
