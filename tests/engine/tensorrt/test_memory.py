"""The estimate of a batch's memory, against counts by hand."""

import pytest

from engine.tensorrt.memory import needed_bytes
from tests.engine.tensorrt.fake_network import DataType, ILayer, ITensor


class Network:
    """What a parser leaves, made by hand."""

    def __init__(self, inputs, outputs, layers):
        self._ends, self._layers = (inputs, outputs), layers
        self.num_inputs, self.num_outputs = len(inputs), len(outputs)
        self.num_layers = len(layers)

    def get_input(self, index):
        return self._ends[0][index]

    def get_output(self, index):
        return self._ends[1][index]

    def get_layer(self, index):
        return self._layers[index]


class Unknown:
    def __len__(self):
        raise ValueError("__len__() should return >= 0")

    def __iter__(self):
        raise ValueError("__len__() should return >= 0")


def tensor(name, *shape, dtype=DataType.FLOAT):
    return ITensor(name, shape, dtype)


FRAMES = tensor("frames", -1, 100, dtype=DataType.UINT8)
WIDE, NARROW = tensor("wide", -1, 100), tensor("narrow", -1, 10)
OUT = tensor("out", -1, 5)
WEIGHTS = tensor("weights", 1000, 1000, dtype=DataType.HALF)
CAST = tensor("weights as floats", 1000, 1000)


@pytest.mark.parametrize("batch", [1, 32])
def test_a_chain_needs_two_neighbours_at_a_time(batch):
    layers = [ILayer([FRAMES], [WIDE]), ILayer([WIDE], [NARROW]), ILayer([NARROW], [OUT])]
    ends = 100 + 20
    assert needed_bytes(Network([FRAMES], [OUT], layers), batch) == batch * (ends + 400 + 40)


def test_a_branch_keeps_what_will_be_added():
    skip = ILayer([NARROW, WIDE], [OUT])
    layers = [ILayer([FRAMES], [WIDE]), ILayer([WIDE], [NARROW]), skip]
    assert needed_bytes(Network([FRAMES], [OUT], layers), 1) == 120 + 400 + 40 + 20


def test_weights_and_what_is_made_of_them_are_no_batchs():
    layers = [
        ILayer([], [WEIGHTS]),
        ILayer([WEIGHTS], [CAST]),
        ILayer([FRAMES, CAST, None], [WIDE]),
        ILayer([WIDE], [OUT]),
    ]
    assert needed_bytes(Network([FRAMES], [OUT], layers), 1) == 120 + 400 + 20


def test_a_tensor_of_unknown_rank_counts_for_nothing():
    odd = ITensor("odd", Unknown(), DataType.INT64)
    layers = [ILayer([FRAMES], [odd]), ILayer([FRAMES, odd], [OUT])]
    assert needed_bytes(Network([FRAMES], [OUT], layers), 1) == 120 + 20
