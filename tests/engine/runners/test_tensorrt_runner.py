"""The runner on a GPU and a TensorRT that are not there: their work is done on the CPU."""

import logging
from threading import Thread

import numpy as np
import pytest

from engine.errors import DeviceFailed, DeviceFull, GraphMismatch, RunnerError
from engine.runners import tensorrt_runner
from engine.runners.runner import ArraySpec, Signature
from engine.runners.tensorrt_runner import TensorRtRunner
from engine.tensorrt.weights import WEIGHTS_VERSION
from tests.engine.runners.projection import SIGNATURE, WEIGHTS, frames, projection
from tests.engine.tensorrt.fake_driver import OutOfMemoryError


def opened(tensorrt, **changes):
    settings = {
        "name": "rgb",
        "model": projection(),
        "signature": SIGNATURE,
        "batches": (1, 8, 32),
        "precision": "fp32",
    }
    return TensorRtRunner(tensorrt, **{**settings, **changes})


def expected(rows):
    return pytest.approx(np.float32(frames(rows)) @ WEIGHTS, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("rows", [1, 3, 8, 9, 32, 50])
def test_a_batch_of_any_size_keeps_its_order(tensorrt, rows):
    features = opened(tensorrt).run({"frames": frames(rows)})["features"]
    assert features.dtype == np.float32
    assert features == expected(rows)


def test_each_size_runs_as_itself(load_tensorrt):
    tensorrt = load_tensorrt()
    runner = opened(tensorrt)
    runner.cover._best[8] = (0.0, (8,))
    tensorrt.trt.ran.clear()
    runner.run({"frames": frames(8)})
    assert tensorrt.trt.ran == [8]


def test_only_rows_that_were_asked_for_come_back(load_tensorrt):
    runner = opened(load_tensorrt(), batches=(8,))
    assert runner.run({"frames": frames(8)})["features"] == expected(8)
    assert runner.run({"frames": frames(3)})["features"] == expected(3)


def test_what_it_returned_is_not_overwritten_by_the_next_run(load_tensorrt):
    runner = opened(load_tensorrt())
    first = runner.run({"frames": frames(1)})["features"]
    kept = first.copy()
    runner.run({"frames": np.zeros((1, 4), np.uint8)})
    assert np.array_equal(first, kept)


def test_nothing_is_allocated_after_it_is_opened(load_tensorrt, fake_driver):
    runner = opened(load_tensorrt())
    taken = dict(fake_driver.allocated)
    for rows in (1, 5, 32, 40):
        runner.run({"frames": frames(rows)})
    assert fake_driver.allocated == taken
    runner.close()
    assert not fake_driver.allocated


def test_any_thread_may_run_it(load_tensorrt):
    runner, found = opened(load_tensorrt()), []
    thread = Thread(target=lambda: found.append(runner.run({"frames": frames(3)})["features"]))
    thread.start()
    thread.join()
    assert found[0] == expected(3)


def test_another_input_is_refused_by_name(load_tensorrt):
    with pytest.raises(RunnerError, match=r"takes frames as uint8 \[\?, 4\], not float32"):
        opened(load_tensorrt()).run({"frames": np.float32(frames(1))})


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (
            Signature({"images": ArraySpec("uint8", (None, 4))}, SIGNATURE.outputs),
            r"graph rgb takes no 'images', only frames uint8 \[\?, 4\]; export",
        ),
        (
            Signature(SIGNATURE.inputs, {"attention": ArraySpec("float32", (None, 3))}),
            "gives no 'attention'",
        ),
        (
            Signature(SIGNATURE.inputs, {"features": ArraySpec("float32", (None, 6))}),
            r"gives features as float32 \[1, 3\] where bundle.json means float32 \[\?, 6\]",
        ),
    ],
)
def test_a_graph_that_is_not_the_manifests_is_refused(load_tensorrt, fake_driver, signature, said):
    with pytest.raises(GraphMismatch, match=said):
        opened(load_tensorrt(), signature=signature)
    assert not fake_driver.allocated


def test_what_is_no_graph_is_a_sentence(tensorrt):
    with pytest.raises(RunnerError, match=r"can't read the graph rgb \(Failed .*\); export the"):
        opened(tensorrt, model=b"no graph")


def test_a_second_start_finds_the_plan(tensorrt, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            runner = opened(tensorrt, cache_dir=tmp_path)
            assert runner.run({"frames": frames(9)})["features"] == expected(9)
    assert len(tensorrt.trt.builds) == 1
    assert not caplog.records


def test_a_plan_of_weights_that_were_made_otherwise_is_built_again(tensorrt, tmp_path, monkeypatch):
    opened(tensorrt, cache_dir=tmp_path)
    monkeypatch.setattr(tensorrt_runner, "WEIGHTS_VERSION", WEIGHTS_VERSION + 1)
    for _ in range(2):
        opened(tensorrt, cache_dir=tmp_path)
    assert len(tensorrt.trt.builds) == 2


def test_a_plan_that_tensorrt_refuses_is_built_again(load_tensorrt, tmp_path, caplog):
    tensorrt = load_tensorrt()
    opened(tensorrt, cache_dir=tmp_path)
    tensorrt.trt._where = "elsewhere"  # a library of the same version that was built otherwise
    with caplog.at_level(logging.WARNING):
        opened(tensorrt, cache_dir=tmp_path)
    assert len(tensorrt.trt.builds) == 2
    assert "building again, since TensorRT refuses" in caplog.text
    assert "not compatible with this version" in caplog.text


def test_an_enqueue_that_is_refused_gives_no_old_numbers(load_tensorrt):
    tensorrt = load_tensorrt()
    runner = opened(tensorrt)
    tensorrt.trt.refuses_to_run = True
    with pytest.raises(DeviceFailed, match=r"can't run for rgb .*unspecified launch failure"):
        runner.run({"frames": frames(1)})


def test_a_lost_gpu_is_a_sentence(load_tensorrt, fake_driver):
    runner = opened(load_tensorrt())
    fake_driver.lost = True
    with pytest.raises(DeviceFailed, match=r"unspecified launch failure.*dmesg.*--device cpu"):
        runner.run({"frames": frames(1)})


def test_too_little_memory_is_a_sentence_and_gives_back_what_it_took(load_tensorrt, fake_driver):
    tensorrt = load_tensorrt()
    fake_driver.capacity_bytes = 600  # the context's, and not much more
    with pytest.raises(DeviceFull, match=r"too little free memory.*nvidia-smi"):
        opened(tensorrt)
    assert not fake_driver.allocated


def test_too_little_memory_while_it_runs_is_a_sentence(load_tensorrt, fake_driver, monkeypatch):
    def full(*arguments):
        raise OutOfMemoryError("cuMemcpyHtoDAsync failed: out of memory")

    runner = opened(load_tensorrt())
    monkeypatch.setattr(fake_driver, "memcpy_htod_async", full)
    with pytest.raises(DeviceFull, match="out of memory"):
        runner.run({"frames": frames(1)})
