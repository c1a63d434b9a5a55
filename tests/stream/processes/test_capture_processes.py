"""How many capture processes there are, and which camera goes to which."""

import pytest

from stream.configuration.config import CameraConfig
from stream.processes import capture_processes
from stream.processes.capture_processes import CaptureProcesses, processes_for
from stream.samples import SampleQueue
from tests.stream.processes.orders import BEGIN


@pytest.mark.parametrize(
    ("cameras", "cores", "processes"),
    [(1, 64, 0), (48, 64, 0), (49, 64, 2), (64, 64, 2), (65, 64, 3), (200, 64, 7), (200, 2, 2)],
)
def test_few_cameras_need_none_and_many_as_many_as_there_are_cores(cameras, cores, processes):
    assert processes_for(cameras, cores) == processes


@pytest.mark.parametrize(
    ("cameras", "cores", "processes"), [(1, 64, 1), (32, 64, 1), (33, 64, 2), (200, 2, 2)]
)
def test_a_gpu_decodes_in_other_processes_alone(cameras, cores, processes):
    assert processes_for(cameras, cores, "cuda") == processes


class Process:
    """Remembers whom it watches."""

    pid = None

    def __init__(self, number, begin, *, wants_flow):
        self.watched, self.left = [], []

    def watch(self, capture):
        self.watched.append(capture.camera.name)

    def leave(self, capture):
        self.left.append(capture.camera.name)


def test_a_camera_goes_where_there_are_fewest(monkeypatch):
    monkeypatch.setattr(capture_processes, "CaptureProcess", Process)
    processes = CaptureProcesses(3, BEGIN, lambda: True)

    def add(name):
        capture = processes.capture(
            CameraConfig(name=name, url="scene:"),
            queue=SampleQueue(4, live=True),
            on_status=print,
            epoch=0,
            open_sight=lambda: None,
            packets=None,
        )
        capture.start()
        return capture

    captures = [add(name) for name in "abcde"]
    assert [each.watched for each in processes._processes] == [["a", "d"], ["b", "e"], ["c"]]
    captures[0].stop()
    captures[3].stop()
    assert processes._processes[0].left == ["a", "d"]
    add("f")
    add("g")
    assert [each.watched[2:] for each in processes._processes] == [["f", "g"], [], []]


def test_none_are_there_where_none_are_wanted():
    with CaptureProcesses(0, BEGIN, lambda: True) as processes:
        assert not processes
        assert processes.pids == []
