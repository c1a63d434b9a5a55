"""Plans that are kept: found again, and refused where they are of no use."""

import logging

import msgspec
import pytest

from engine.tensorrt.plan import Plan, PlanFile, PlanKey

KEY = PlanKey(
    graph="ab" * 32,
    weights=1,
    tensorrt="11.4.0.106",
    gpu="NVIDIA H200",
    arch="sm_90",
    precision="fp16",
    batches=(1, 8),
)
PLAN = Plan((1, 8), b"a plan\nof several lines")


def file(folder, **changes):
    return PlanFile(folder, "rgb", msgspec.structs.replace(KEY, **changes))


def test_a_plan_is_found_again(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert file(tmp_path).read() is None
        file(tmp_path).keep(PLAN)
        assert file(tmp_path).read() == PLAN
    assert not caplog.records


@pytest.mark.parametrize(
    "changes",
    [{"graph": "cd" * 32}, {"weights": 2}, {"precision": "fp32"}, {"batches": (1, 8, 32)}],
)
def test_a_plan_of_something_else_is_not_mistaken_for_it(tmp_path, caplog, changes):
    file(tmp_path).keep(PLAN)
    with caplog.at_level(logging.WARNING):
        assert file(tmp_path, **changes).read() is None
    assert not caplog.records


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"gpu": "Orin"}, "is for Orin (sm_90) by TensorRT 11.4.0.106"),
        ({"arch": "sm_89"}, "is for NVIDIA H200 (sm_89) by TensorRT 11.4.0.106"),
        ({"tensorrt": "10.16"}, "is for NVIDIA H200 (sm_90) by TensorRT 10.16"),
    ],
)
def test_that_a_plan_is_of_another_gpu_or_version_is_said(tmp_path, caplog, changes, said):
    file(tmp_path, **changes).keep(PLAN)
    with caplog.at_level(logging.WARNING):
        assert file(tmp_path).read() is None
    assert said in caplog.text
    assert "no use to NVIDIA H200 (sm_90) by TensorRT 11.4.0.106; building another" in caplog.text


def test_a_plan_under_anothers_name_is_refused(tmp_path, caplog):
    other = file(tmp_path, gpu="Orin")
    other.keep(PLAN)
    other.path.rename(file(tmp_path).path)
    with caplog.at_level(logging.WARNING):
        assert file(tmp_path).read() is None
    assert "is for Orin (sm_90) by TensorRT 11.4.0.106, and this is NVIDIA H200" in caplog.text


@pytest.mark.parametrize(
    "damage", [lambda text: b"", lambda text: text[:-1], lambda text: text[:40] + b"x" + text[41:]]
)
def test_a_damaged_plan_is_built_again(tmp_path, caplog, damage):
    file(tmp_path).keep(PLAN)
    path = file(tmp_path).path
    path.write_bytes(damage(path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        assert file(tmp_path).read() is None
    assert f"{path} is damaged" in caplog.text


def test_without_a_folder_nothing_is_kept():
    file(None).keep(PLAN)
    assert file(None).read() is None
