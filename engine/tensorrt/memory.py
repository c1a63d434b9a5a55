"""How much device memory a batch will take, before it is built."""

from __future__ import annotations

import math
from typing import Any


def needed_bytes(network: Any, batch: int) -> int:
    """Of a parsed trt.INetworkDefinition at `batch` rows: its inputs, its outputs, and the most of
    the tensors between that live at once.

    An estimate from above: layers that TensorRT fuses keep nothing between them. Weights, which all
    batches share, are left out.
    """
    ends = [network.get_input(i) for i in range(network.num_inputs)]
    ends += [network.get_output(i) for i in range(network.num_outputs)]
    return sum(_size(tensor, batch) for tensor in ends) + _most_alive(network, batch)


def _most_alive(network: Any, batch: int) -> int:
    layers = [network.get_layer(i) for i in range(network.num_layers)]
    last_use = {tensor.name: i for i, layer in enumerate(layers) for tensor in _taken(layer)}
    constant: set[str] = set()
    alive: dict[str, int] = {}
    most = 0
    for i, layer in enumerate(layers):
        taken, given = _taken(layer), _given(layer)
        if all(tensor.name in constant for tensor in taken):  # so a layer that takes nothing
            constant.update(tensor.name for tensor in given)
            continue
        alive.update({tensor.name: _size(tensor, batch) for tensor in given})
        most = max(most, sum(alive.values()))
        for name in [name for name in alive if last_use.get(name, -1) <= i]:
            del alive[name]
    return most


def _taken(layer: Any) -> list[Any]:
    tensors = [layer.get_input(i) for i in range(layer.num_inputs)]
    return [tensor for tensor in tensors if tensor is not None]  # None: an option left out


def _given(layer: Any) -> list[Any]:
    return [layer.get_output(i) for i in range(layer.num_outputs)]


def _size(tensor: Any, batch: int) -> int:
    try:
        shape = tuple(tensor.shape)
    except ValueError:  # of a rank that only a run will tell: no picture, and small
        return 0
    return int(math.prod(batch if n < 0 else n for n in shape) * tensor.dtype.itemsize)
