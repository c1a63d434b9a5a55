"""The kernels of rows.cu in NumPy: what they must do, by the names of their buffers."""

import numpy as np

from engine.lanes import CLEARED_LOGIT, STATE


class NumpyRows:
    """table: ROWs whose `state` counts states, from 1, instead of saying where they lie.

    states [n,...]; result [places,W].
    """

    def __init__(self, rows, states, result):
        self.rows, self.states, self.result = rows, states, result

    def keep(self, table, features, attention):
        for b, state, row in self._real(table):
            state[: self.rows.width] = features[b]
            first = self.rows.attention_from
            self.result[row["place"], first : first + attention[b].size] = attention[b].ravel()

    def gather(self, table, arrays):
        for b, state, row in self._real(table):
            arrays["lane"][b] = row["lane"]
            arrays["features"][b] = state[: self.rows.width]
            for name, part in self._parts(state).items():
                empty = CLEARED_LOGIT if name == "m" else 0
                arrays[name][b] = empty if row["begins"] else part.reshape(arrays[name][b].shape)

    def scatter(self, table, arrays):
        classes, lanes = self.rows.classes, self.rows.lanes
        for b, state, row in self._real(table):
            for name, part in self._parts(state).items():
                part[:] = arrays[f"{name}_out"][b].ravel()
            scores, result = arrays["segment_scores"][b], self.result[row["place"]]
            result[:classes] = scores[(row["lane"] + 1) % lanes]
            result[classes : 2 * classes] = scores[0]
            result[2 * classes : 2 * classes + lanes] = arrays["logits"][b]

    def _real(self, table):
        for b, row in enumerate(table):
            if row["state"]:
                yield b, self.states[int(row["state"]) - 1], row

    def _parts(self, state):
        k, H, D = self.rows.lanes, self.rows.hidden, self.rows.width
        sizes = dict(zip(STATE, (k * H, k * H, k, k, k * D), strict=True))
        ends = np.cumsum([D, *sizes.values()])
        return {name: state[ends[i] : ends[i + 1]] for i, name in enumerate(sizes)}
