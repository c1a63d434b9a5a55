"""The runner on small ONNX graphs written here, so that its answers are known by hand."""

import logging
import subprocess
import sys

import numpy as np
import pytest

from engine.errors import GraphMismatch, RunnerError
from engine.runners.openvino_runner import OpenVinoRunner
from engine.runners.runner import ArraySpec, Signature
from tests.engine.runners.projection import SIGNATURE, WEIGHTS, frames, projection


def opened(**changes):
    return OpenVinoRunner(
        **{"name": "rgb", "model": projection(), "signature": SIGNATURE, **changes}
    )


@pytest.mark.parametrize("batches", [(1,), (1, 4), (4, 1)])
@pytest.mark.parametrize("rows", [1, 3, 4, 7, 9])
def test_a_batch_of_any_size_keeps_its_order(batches, rows):
    features = opened(batches=batches).run({"frames": frames(rows)})["features"]
    assert features.dtype == np.float32
    assert features == pytest.approx(np.float32(frames(rows)) @ WEIGHTS, rel=1e-5, abs=1e-3)


def test_the_same_input_gives_the_same_bits():
    runner, other = opened(), opened()
    once = runner.run({"frames": frames(1)})["features"]
    for _ in range(20):
        assert np.array_equal(runner.run({"frames": frames(1)})["features"], once)
    assert np.array_equal(other.run({"frames": frames(1)})["features"], once)


def test_a_row_is_the_same_bits_in_any_company_when_rows_run_apart():
    runner = opened(batches=(1,))
    together = runner.run({"frames": frames(5)})["features"]
    for row, expected in zip(frames(5), together, strict=True):
        assert np.array_equal(runner.run({"frames": row[np.newaxis]})["features"][0], expected)


def test_what_it_returned_is_not_overwritten_by_the_next_run():
    runner = opened()
    first = runner.run({"frames": frames(1)})["features"]
    kept = first.copy()
    runner.run({"frames": np.zeros((1, 4), np.uint8)})
    assert np.array_equal(first, kept)


def test_arrays_need_not_lie_in_one_piece():
    wide = np.random.default_rng(1).integers(0, 256, (3, 8), np.uint8)
    features = opened().run({"frames": wide[:, ::2]})["features"]
    assert features == pytest.approx(np.float32(wide[:, ::2]) @ WEIGHTS, rel=1e-5, abs=1e-3)


def test_fp32_is_fp32_even_where_the_cpu_would_rather_do_less():
    pixels = np.full((1, 4), 255, np.uint8)
    exact = np.float64(pixels) @ np.float64(WEIGHTS)
    assert opened().run({"frames": pixels})["features"] == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "takes frames uint8 .* not nothing"),
        ({"images": frames(1)}, "takes frames uint8 .* not images"),
        ({"frames": np.float32(frames(1))}, r"takes frames as uint8 \[\?, 4\], not float32"),
        ({"frames": frames(1)[:, :3]}, r"not uint8 \[1, 3\]"),
        ({"frames": frames(1)[0]}, r"not uint8 \[4\]"),
    ],
)
def test_another_input_is_refused_by_name(inputs, said):
    with pytest.raises(RunnerError, match=said):
        opened().run(inputs)


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (
            Signature({"images": ArraySpec("uint8", (None, 4))}, SIGNATURE.outputs),
            r"graph rgb takes no 'images', only frames uint8 \[\?, 4\]; export",
        ),
        (
            Signature({"frames": ArraySpec("uint8", (None, 5))}, SIGNATURE.outputs),
            r"takes frames as uint8 \[\?, 4\] where bundle.json means uint8 \[\?, 5\]; export",
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
def test_a_graph_that_is_not_the_manifests_is_refused(signature, said):
    with pytest.raises(GraphMismatch, match=said):
        opened(signature=signature)


@pytest.mark.parametrize("model", [b"", b"no graph", projection()[:-40]])
def test_what_is_no_graph_is_a_sentence(model):
    with pytest.raises(RunnerError, match=r"can't open the graph rgb .*; export the bundle again"):
        opened(model=model)


def test_a_second_start_finds_the_compiled_graph(tmp_path):
    once = opened(cache_dir=tmp_path).run({"frames": frames(1)})["features"]
    [kept] = tmp_path.iterdir()
    before_ns = kept.stat().st_mtime_ns
    assert np.array_equal(opened(cache_dir=tmp_path).run({"frames": frames(1)})["features"], once)
    assert [file.stat().st_mtime_ns for file in tmp_path.iterdir()] == [before_ns]


@pytest.mark.parametrize("damage", [lambda blob: b"", lambda blob: blob[: len(blob) // 2]])
def test_a_damaged_cache_is_only_slower(tmp_path, caplog, damage):
    once = opened(cache_dir=tmp_path).run({"frames": frames(1)})["features"]
    [kept] = tmp_path.iterdir()
    kept.chmod(0o600)
    kept.write_bytes(damage(kept.read_bytes()))
    with caplog.at_level(logging.WARNING):
        again = opened(cache_dir=tmp_path).run({"frames": frames(1)})["features"]
    assert np.array_equal(again, once)


def test_nothing_of_openvinos_telemetry_is_loaded():
    code = (
        "import sys, engine.runners.openvino_runner\n"
        "loaded = [n for n, m in sys.modules.items() if n.startswith('openvino_telemetry') and m]\n"
        "sys.exit(str(loaded) if loaded else 0)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_a_signal_after_closing_is_no_crash():
    """OpenVINO leaves a thread that loads it with a stack for signals that is no longer there."""
    code = (
        "import gc, os, signal\n"
        "from tests.engine.runners.test_openvino_runner import opened\n"
        "runners = [opened() for _ in range(3)]\n"
        "signal.signal(signal.SIGTERM, lambda *_: print('handled', flush=True))\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
        "for runner in runners: runner.close()\n"
        "del runner, runners; gc.collect()\n"
        "os.kill(os.getpid(), signal.SIGTERM)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "handled\n" * 2


def test_it_says_which_batches_it_has():
    assert opened().batches == (1,)
    assert opened(batches=(4, 1)).batches == (1, 4)
