from dataclasses import replace

import numpy as np
import pytest

from engine import parity
from engine.errors import EngineDrift
from tests.engine.numpy_graphs import HeadWeights, NumpyHead, drifting, numpy_graphs


@pytest.fixture
def graphs(manifest):
    return numpy_graphs(manifest)


def test_the_graphs_that_made_the_numbers_pass(numpy_bundle, graphs):
    measured = parity.measure(numpy_bundle, graphs)
    parity.require(numpy_bundle, measured)
    assert measured.worst < 1e-5
    assert str(measured).startswith("fp32: ")
    assert str(measured).endswith("(tolerance 1.0e-04)")


def test_a_cnn_that_drifts_is_refused_with_both_numbers(numpy_bundle, graphs):
    measured = parity.measure(numpy_bundle, drifting(graphs, by=0.01))
    assert measured.cnn > 1e-4
    assert max(measured.attention, measured.window) < 1e-5
    with pytest.raises(EngineDrift, match=r"\de-0\d from .* \(tolerance 1.0e-04\)") as refusal:
        parity.require(numpy_bundle, measured)
    assert refusal.value.exit_code == 4


def test_a_head_that_drifts_is_refused(numpy_bundle, manifest, graphs):
    other = NumpyHead(HeadWeights.random(manifest, seed=99))
    measured = parity.measure(numpy_bundle, replace(graphs, flow_head=other))
    assert measured.window > 1e-2
    with pytest.raises(EngineDrift, match="drift"):
        parity.require(numpy_bundle, measured)


class _Changed:
    """A runner with one output replaced."""

    def __init__(self, runner, name, change):
        self._runner, self._name, self._change = runner, name, change
        self.batches = runner.batches

    def run(self, inputs):
        outputs = self._runner.run(inputs)
        return {**outputs, self._name: self._change(outputs[self._name])}


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("attention", lambda maps: maps[:, ::-1]),
        ("attention", lambda maps: maps[:, :1]),
        ("attention", lambda maps: np.full_like(maps, np.nan)),
        ("features", lambda features: np.full_like(features, np.nan)),
    ],
    ids=["turned", "another shape", "not a number", "features not numbers"],
)
def test_no_kind_of_wrong_number_passes(numpy_bundle, graphs, name, change):
    changed = replace(graphs, rgb=_Changed(graphs.rgb, name, change))
    with pytest.raises(EngineDrift, match="drift"):
        parity.require(numpy_bundle, parity.measure(numpy_bundle, changed))
