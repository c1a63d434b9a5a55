"""A batch of rows for the kernels of rows.cu, on any device, beside the same in NumPy."""

import numpy as np

from engine.tensorrt.rows import ROW, SOURCE, Rows
from tests.engine.tensorrt.rows_numpy import NumpyRows

ROWS = Rows(width=70, hidden=9, lanes=4, classes=5, area=49)
AREA = 36  # of this CNN, whose maps are smaller than the other stream's
BATCH, STATES, PLACES = 6, 5, 9


class Case:
    """Drawn arrays; whose rows they are: two at first samples, one nobody's, one that is in place
    of none; and the same arrays on the device.
    """

    def __init__(self, device):
        draw = np.random.default_rng(0)
        self.device, self.stream = device, device.stream()
        k, H, D, C = ROWS.lanes, ROWS.hidden, ROWS.width, ROWS.classes
        state = {"h": (k, H), "c": (k, H), "m": (k,), "l": (k,), "a": (k, D)}
        shapes = {
            "features": (D,),
            "attention": (AREA,),
            **state,
            **{f"{name}_out": shape for name, shape in state.items()},
            "segment_scores": (k, C),
            "logits": (k,),
        }
        self.arrays = {
            name: draw.normal(0, 1, (BATCH, *shape)).astype(np.float32)
            for name, shape in shapes.items()
        }
        self.arrays["lane"] = np.full(BATCH, -1, np.int32)
        self.states = draw.normal(0, 1, (STATES, ROWS.state_floats)).astype(np.float32)
        self.arrays["result"] = draw.normal(0, 1, (PLACES, ROWS.result_floats)).astype(np.float32)
        self.table = np.zeros(BATCH, ROW)
        self.table["state"] = [3, 1, 0, 5, 2, 0]
        self.table["place"] = [7, 8, 0, 1, 2, 0]
        self.table["lane"] = [0, 3, 2, 1, 0, 0]
        self.table["begins"] = [1, 0, 0, 0, 1, 0]
        self._memory = {name: self._uploaded(array) for name, array in self.arrays.items()}
        self._states = [self._uploaded(state) for state in self.states]
        where = self.table.copy()
        for row in where:
            if row["state"]:
                row["state"] = int(self._states[int(row["state"]) - 1])
        self._memory["rows"] = self._uploaded(where.view(np.uint8))

    def run(self, launch):
        kernels = self.device.kernels(SOURCE)
        kernels.bind(launch, {name: int(each) for name, each in self._memory.items()})(self.stream)
        self.device.wait(self.stream)

    def found(self):
        """(arrays by name, states) as they are on the device now."""
        arrays = {name: self._downloaded(each, name) for name, each in self.arrays.items()}
        states = [self._downloaded(each, i) for i, each in enumerate(self.states)]
        return arrays, np.stack(states)

    def expected(self):
        """(NumPy's kernels, its arrays), on copies."""
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        return NumpyRows(ROWS, self.states.copy(), arrays["result"]), arrays

    def _uploaded(self, array):
        memory = self.device.allocate(array.nbytes)
        self.device.upload(memory, array, self.stream)
        self.device.wait(self.stream)
        return memory

    def _downloaded(self, like, key):
        array = np.empty_like(like)
        source = self._states[key] if isinstance(key, int) else self._memory[key]
        self.device.download(array, source, self.stream)
        self.device.wait(self.stream)
        return array


def check(device, kernel):
    """One kernel on `device` against NumPy: the same bits everywhere, and nothing else touched."""
    case = Case(device)
    numpy, arrays = case.expected()
    if kernel == "keep":
        case.run(ROWS.keep(BATCH, AREA))
        numpy.keep(case.table, arrays["features"], arrays["attention"])
    else:
        case.run(getattr(ROWS, kernel)(BATCH))
        getattr(numpy, kernel)(case.table, arrays)
    found, states = case.found()
    for name, array in arrays.items():
        assert np.array_equal(found[name], array), name
    assert np.array_equal(states, numpy.states)
    before = case.arrays
    changed = [name for name in arrays if not np.array_equal(arrays[name], before[name])]
    touched = {"keep": ["result"], "gather": ["features", "h", "c", "m", "l", "a", "lane"]}
    assert sorted(changed) == sorted(touched.get(kernel, ["result"]))
    assert (kernel == "gather") == np.array_equal(states, case.states)
