"""How a number of rows is made up of the batches that were compiled."""

from __future__ import annotations

from collections.abc import Mapping


class Cover:
    """The cheapest batches that hold a number of rows; the last of them may have rows to spare.

    cost: of one run by batch, in any unit. Measured where it is used: padding a batch of 8 with
    one row to spare beats seven runs of 1, but one of 128 for 33 rows doesn't beat 32 and 1, and
    where that turns depends on the GPU and on the graph.
    """

    def __init__(self, cost: Mapping[int, float]) -> None:
        self._largest = max(cost)
        self._best: list[tuple[float, tuple[int, ...]]] = [(0.0, ())]
        for rows in range(1, self._largest + 1):
            self._best.append(
                min(
                    (price + self._best[max(rows - batch, 0)][0], self._with(batch, rows))
                    for batch, price in cost.items()
                )
            )

    def of(self, rows: int) -> tuple[int, ...]:
        """The batches, the largest first."""
        whole, left = divmod(rows, self._largest)
        return (self._largest,) * whole + self._best[left][1]

    def _with(self, batch: int, rows: int) -> tuple[int, ...]:
        return tuple(sorted((batch, *self._best[max(rows - batch, 0)][1]), reverse=True))
