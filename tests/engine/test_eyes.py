"""Where pictures are made, and what is said of it."""

import logging
from dataclasses import replace

import pytest

from engine.errors import EngineDrift, FlowMismatch
from engine.eyes import open_eyes
from engine.manifest import FlowEntry
from engine.recogniser import Recogniser
from tests.engine.numpy_graphs import numpy_graphs

ENTRY = FlowEntry(bound_px=8.0, parameters={"warps": 2})


class Resident:
    """A pipeline on a device that opens eyes, or raises."""

    def __init__(self, opened):
        self.opened, self.asked = opened, None

    def open_eyes(self, manifest, parameters, **given):
        self.asked = (parameters, given["bound_px"], given["hidden"], given["lag"])
        if isinstance(self.opened, Exception):
            raise self.opened
        return self.opened


def opened(manifest, resident, flow="tvl1", flow_device="cuda", said=None):
    graphs = replace(numpy_graphs(manifest), resident=resident)
    progress = (said if said is not None else []).append
    return open_eyes(
        graphs, manifest, flow, flow_device, ENTRY, hidden=127, lag=9, progress=progress
    )


def test_with_everything_on_the_gpu_pictures_are_made_there(manifest):
    resident = Resident("eyes")
    assert opened(manifest, resident) == "eyes"
    assert resident.asked == ({"warps": 2}, 8.0, 127, 9)


def test_on_the_cpu_there_is_nothing_to_say(manifest, caplog):
    said = []
    assert opened(manifest, None, said=said) is None
    assert not said
    assert not caplog.records


@pytest.mark.parametrize("flow", [("dis", "cpu"), ("tvl1", "cpu")])
def test_flow_on_the_cpu_takes_its_pictures_there(manifest, flow):
    resident, said = Resident("eyes"), []
    assert opened(manifest, resident, *flow, said=said) is None
    assert said == [
        f"pictures are resized and cropped on the CPU, where flow {flow[0]} is estimated"
    ]
    assert resident.asked is None


@pytest.mark.parametrize("error", [EngineDrift("they drift"), FlowMismatch("too small")])
def test_what_fails_is_told_of_and_the_host_makes_them(manifest, error, caplog):
    with caplog.at_level(logging.WARNING):
        assert opened(manifest, Resident(error)) is None
    assert f"pictures are made on the CPU, not on the GPU: {error}" in caplog.text


def test_a_recogniser_takes_in_what_has_come_before_it_steps(numpy_bundle):
    class Counting:
        taken_in = 0

        def take_in(self):
            self.taken_in += 1

    eyes = Counting()
    recogniser = Recogniser(numpy_bundle, numpy_graphs(numpy_bundle.manifest), eyes)
    recogniser.take_in()
    assert eyes.taken_in == 1
    assert recogniser.step([]) == []
    with pytest.raises(AttributeError):
        recogniser.step([None])
    Recogniser(numpy_bundle, numpy_graphs(numpy_bundle.manifest)).take_in()  # has none
