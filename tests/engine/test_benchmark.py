import pytest

from engine.benchmark import Report, Row, measure
from engine.benchmark_table import ratios, table
from engine.cli import main


def report(**changed):
    fields = {
        "bundle": "b",
        "backbone": "resnet152",
        "window_samples": 30,
        "threads": 2,
        "rows": (
            Row("torch, recomputed", "fp32", 12_000.0, 3),
            Row("OpenVINO, recomputed", "bf16", 3_600.0, 3),
            Row("incremental", "bf16", 120.0, 3),
        ),
        "cnn_ms": {"bf16": 100.0},
        "head_ms": {"bf16": 20.0},
        "flow_ms": {"340x256": 9.0},
    }
    return Report(**{**fields, **changed})


def test_ratios_are_of_what_was_measured_and_of_nothing_else():
    assert ratios(report()) == {
        "incremental bf16 than the same runner recomputing": 30.0,
        "incremental bf16 than torch fp32": 100.0,
    }


def test_the_table_shows_rows_parts_and_ratios():
    text = table(report(note="torch is not installed"))
    assert "30.0 times cheaper: incremental bf16 than the same runner recomputing" in text
    assert "CNNs 100.00 ms, attention heads 20.00 ms" in text
    assert text.endswith("torch is not installed")


def test_a_real_bundle_is_timed_three_ways(tiny_bundle):
    measured = measure(
        tiny_bundle, precisions=("fp32",), rounds=1, threads=1, progress=lambda line: None
    )
    assert [row.name for row in measured.rows] == [
        "torch, recomputed",
        "OpenVINO, recomputed",
        "incremental",
    ]
    incremental = measured.ms("incremental", "fp32")
    assert incremental == pytest.approx(measured.cnn_ms["fp32"] + measured.head_ms["fp32"])
    # Thirty times the CNN work can't be had for less than five times the time.
    assert measured.ms("OpenVINO, recomputed", "fp32") > 5 * measured.cnn_ms["fp32"]


def test_no_rounds_is_refused(capsys):
    assert main(["bench", "--rounds", "0"]) == 2
    assert "--rounds" in capsys.readouterr().err
