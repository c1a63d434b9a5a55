"""Building plans: what TensorRT is asked, what is said meanwhile, and what goes wrong."""

import logging

import pytest

from engine.errors import DeviceFailed, DeviceFull
from engine.tensorrt.builder import build_plan
from tests.engine.runners.projection import SIGNATURE, projection
from tests.engine.tensorrt.fake_tensorrt import VERSIONS


def built(tensorrt, **changes):
    said = []
    settings = {
        "name": "rgb",
        "model": projection(),
        "signature": SIGNATURE,
        "precision": "fp32",
        "typed": True,
        "batches": (1, 8, 32, 128),
        "cache_dir": None,
        "progress": said.append,
    }
    with tensorrt.device.current():
        plan = build_plan(tensorrt, **{**settings, **changes})
    return plan, said


def test_each_batch_has_a_profile_of_its_own(tensorrt):
    plan, _ = built(tensorrt)
    [build] = tensorrt.trt.builds
    assert plan.batches == (1, 8, 32, 128)
    assert build.batches == [1, 8, 32, 128]
    assert build.workspace_bytes == 1 << 29  # half of what is free


@pytest.mark.parametrize(
    ("version", "precision", "typed", "flags"),
    [
        # TF32 is never left on: its fp32 has the mantissa of fp16.
        ("8.6.0", "fp32", True, []),
        ("8.6.0", "fp16", True, ["FP16"]),
        ("8.6.0", "fp16", False, ["FP16"]),
        ("8.6.0", "int8", True, ["INT8"]),
        ("10.16.1.11", "fp32", True, []),
        ("10.16.1.11", "fp16", True, []),
        ("10.16.1.11", "fp16", False, ["FP16"]),
        ("10.16.1.11", "int8", True, []),
        ("11.4.0.106", "fp32", True, []),
        ("11.4.0.106", "fp16", True, []),
        ("11.4.0.106", "int8", True, []),
    ],
)
def test_precision_is_the_graphs_own_and_a_flag_only_where_it_must_be(
    load_tensorrt, version, precision, typed, flags
):
    tensorrt = load_tensorrt(version)
    built(tensorrt, precision=precision, typed=typed)
    [build] = tensorrt.trt.builds
    assert build.flags == flags
    assert build.typed == (typed and version != "8.6.0")


def test_memory_is_stated_before_and_progress_meanwhile(load_tensorrt):
    _, said = built(load_tensorrt())
    # frames, their cast, features twice (an output and a tensor that lives): 4 + 16 + 12 + 12
    # bytes a row, and the cast's end is the features' beginning.
    assert "batch 1 0 MB, batch 8 0 MB" in said[0]
    assert said[0].endswith("free 1,074 MB")
    assert said[1:] == [
        f"building the plan of rgb: Building Engine, {done} %" for done in (20, 50, 70, 100)
    ]


def test_without_a_progress_monitor_it_builds_all_the_same(load_tensorrt):
    _, said = built(load_tensorrt("8.6.0"))
    assert len(said) == 1


def test_batches_that_need_more_than_is_free_are_left_out(load_tensorrt, fake_driver, caplog):
    fake_driver.capacity_bytes = 44 * 40
    with caplog.at_level(logging.WARNING):
        plan, _ = built(load_tensorrt())
    assert plan.batches == (1, 8, 32)
    assert "rgb is built for batches of up to 32, since there is too little free memory" in (
        caplog.text
    )
    assert caplog.text.rstrip().endswith("for 128")


@pytest.mark.parametrize(
    ("words", "error", "said"),
    [
        ("Could not find any implementation for node Conv_0.", DeviceFailed, "any implementation"),
        ("Requested amount of GPU memory: out of memory", DeviceFull, "end what else uses it"),
    ],
)
def test_a_build_that_fails_is_a_sentence(tensorrt, words, error, said):
    tensorrt.trt.refuses_to_build = words
    with pytest.raises(error, match=f"{said}.*--device cpu"):
        built(tensorrt)


def test_timings_are_kept_for_the_next_build(tensorrt, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        built(tensorrt, cache_dir=tmp_path)
        [kept] = tmp_path.iterdir()
        assert tensorrt.trt._timings in kept.read_bytes()
        built(tensorrt, cache_dir=tmp_path)
    assert not caplog.records


def test_damaged_timings_are_measured_anew(load_tensorrt, tmp_path, caplog):
    tensorrt = load_tensorrt()
    built(tensorrt, cache_dir=tmp_path)
    [kept] = tmp_path.iterdir()
    kept.write_bytes(kept.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING):
        built(tensorrt, cache_dir=tmp_path)
    assert "is damaged" in caplog.text
    caplog.clear()
    built(tensorrt, cache_dir=tmp_path)
    assert not caplog.records


def test_timings_of_another_gpu_are_measured_anew(load_tensorrt, tmp_path, caplog):
    tensorrt = load_tensorrt()
    built(tensorrt, cache_dir=tmp_path)
    tensorrt.trt._timings = b"of another"
    with caplog.at_level(logging.WARNING):
        built(tensorrt, cache_dir=tmp_path)
    assert "measuring kernels anew, since TensorRT refuses" in caplog.text
    assert "the timing cache is of another device" in caplog.text


@pytest.mark.parametrize("version", VERSIONS)
def test_a_builder_that_does_not_start_is_a_sentence(load_tensorrt, version):
    tensorrt = load_tensorrt(version)
    tensorrt.trt.refuses_to_start = "CUDA initialization failure with error: 999"
    with pytest.raises(DeviceFailed, match=r"can't start its builder .*error: 999"):
        built(tensorrt)
