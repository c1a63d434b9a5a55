"""What the kernels of `rows.cu` are launched with: a camera's state, a batch's rows, their results.

Plain arithmetic, fixed by the bundle's shapes and the batch: the same with and without a GPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from engine.cuda.launch import Argument, Buffer, Launch
from engine.lanes import CLEARED_LOGIT, STATE
from engine.manifest import Manifest

SOURCE = Path(__file__).with_name("rows.cu")

# As in rows.cu. A row of zeros is nobody's.
ROW = np.dtype(
    [("state", np.uint64), ("place", np.int32), ("lane", np.int32), ("begins", np.int32)],
    align=True,
)

_THREADS = 256


@dataclass(frozen=True)
class Rows:
    """width (D), hidden (H), lanes (k), classes (C): the bundle's. area: positions of the larger
    attention map.
    """

    width: int
    hidden: int
    lanes: int
    classes: int
    area: int

    @classmethod
    def of(cls, manifest: Manifest, area: int) -> Rows:
        """Of a bundle's shape."""
        return cls(
            width=manifest.feature_width,
            hidden=manifest.hidden_width,
            lanes=manifest.frames_per_segment,
            classes=len(manifest.classes),
            area=area,
        )

    @property
    def state_floats(self) -> int:
        """Of a camera's stream: its newest feature, and what the head carries on."""
        return self.width + self._carried

    @property
    def result_floats(self) -> int:
        """W: two scores [C], logits [k], attention."""
        return self.attention_from + self.area

    @property
    def attention_from(self) -> int:
        """Where a result's attention begins, behind scores and logits."""
        return 2 * self.classes + self.lanes

    def keep(self, batch: int, area: int) -> Launch:
        """After a CNN of so many rows whose attention has `area` positions."""
        buffers = tuple(map(Buffer, ("rows", "features", "attention", "result")))
        sizes = (self.width, area, self.result_floats, self.attention_from)
        return self._launch("keep", batch, self.width + area, (*buffers, *map(np.int32, sizes)))

    def gather(self, batch: int) -> Launch:
        """Before a head."""
        buffers = tuple(map(Buffer, ("rows", "lane", "features", *STATE)))
        sizes = map(np.int32, (self.width, self.hidden, self.lanes))
        arguments: tuple[Argument, ...] = (*buffers, *sizes, np.float32(CLEARED_LOGIT))
        return self._launch("gather", batch, self.state_floats, arguments)

    def scatter(self, batch: int) -> Launch:
        """After a head."""
        given = (*(f"{name}_out" for name in STATE), "segment_scores", "logits")
        buffers = tuple(map(Buffer, ("rows", *given, "result")))
        sizes = (self.width, self.hidden, self.lanes, self.classes, self.result_floats)
        floats = self._carried + self.attention_from
        return self._launch("scatter", batch, floats, (*buffers, *map(np.int32, sizes)))

    @property
    def _carried(self) -> int:
        return self.lanes * (2 * self.hidden + 2 + self.width)

    def _launch(
        self, kernel: str, batch: int, floats: int, arguments: tuple[Argument, ...]
    ) -> Launch:
        return Launch(kernel, (-(-floats // _THREADS), batch, 1), (_THREADS, 1, 1), arguments)
