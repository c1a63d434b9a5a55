"""Means, spreads and differences of rows, by hand."""

import pytest

from training.ablation.report import RowReport
from training.ablation.rows import ROWS, Variant
from training.ablation.show import cells, markdown, title
from training.ablation.study import Measured
from training.ablation.table import Table, tables
from training.evaluation.results import OfStreams, Result
from training.recipe import Set


def measured(number: int, accuracy: float, **given: object) -> Measured:
    fields = {"split": 1, "gain": 1.0 if number else None, "seed": 0, "head": None, **given}
    variant = Variant(row=ROWS[number], **fields)  # type: ignore[arg-type]
    by_stream = OfStreams(fused=accuracy, rgb=accuracy - 0.2, flow=accuracy - 0.1)
    result = Result(
        data_set="jhmdb",
        split="split 1 test",
        protocol="global",
        crops=10,
        flow="dis",
        unit="clips",
        count=268,
        accuracy=by_stream,
        mean_average_precision=accuracy + 0.1,
        mean_confidence=0.5,
        calibration_error=by_stream,
        calibration_error_before=by_stream,
        average_precision={},
    )
    return Measured(variant, RowReport(weights={}, results={"jhmdb": result}))


STUDY = [
    measured(0, 0.50),
    measured(1, 0.52),
    measured(1, 0.54, gain=25.0),
    measured(2, 0.55),
    measured(2, 0.56, gain=25.0),
    *(measured(3, value, head=head) for head, value in enumerate((0.58, 0.59, 0.60))),
    *(measured(3, value, head=head, gain=25.0) for head, value in enumerate((0.60, 0.60, 0.63))),
]


@pytest.fixture
def table() -> Table:
    (found,) = tables(STUDY, {"jhmdb": Set(layout="jhmdb")})
    return found


def test_rows_stand_in_the_papers_order_gain_by_gain(table: Table) -> None:
    assert [(line.model, line.gain) for line in table.rows] == [
        ("CNN", None),
        ("SA-CNN", 1.0),
        ("SA-CNN", 25.0),
        ("SA-CNN+TSN", 1.0),
        ("SA-CNN+TSN", 25.0),
        ("STA-TSN", 1.0),
        ("STA-TSN", 25.0),
    ]
    assert table.clips == 268
    assert table.rows[0].mean("rgb") == pytest.approx(30.0)
    assert table.rows[0].deviation("rgb") is None
    assert table.rows[0].paper == {"rgb": 54.5, "flow": 64.2, "rgb+flow": 72.8}


def test_the_spread_is_the_sample_standard_deviation(table: Table) -> None:
    assert table.rows[5].mean("rgb+flow") == pytest.approx(59.0)
    assert table.rows[5].deviation("rgb+flow") == pytest.approx(1.0)  # of 58, 59, 60
    assert table.rows[6].deviation("rgb+flow") == pytest.approx(3**0.5)  # of 60, 60, 63


def test_differences_follow_one_gain_from_row_to_row(table: Table) -> None:
    found = {(line.model, line.gain): line for line in table.differences}
    assert len(found) == 6
    assert found["SA-CNN - CNN", 25.0].mean("rgb+flow") == pytest.approx(4.0)
    assert found["SA-CNN+TSN - SA-CNN", 25.0].mean("rgb+flow") == pytest.approx(2.0)
    last = found["STA-TSN - SA-CNN+TSN", 1.0]
    assert last.mean("flow") == pytest.approx(4.0)
    assert last.deviation("flow") == pytest.approx(1.0)
    assert last.paper["rgb+flow"] == pytest.approx(3.0)


def test_a_second_stage_is_held_against_the_first_of_its_own_seed() -> None:
    study = [
        measured(2, 0.50, seed=0),
        measured(2, 0.60, seed=1),
        measured(3, 0.52, seed=0, head=0),
        measured(3, 0.62, seed=1, head=0),
    ]
    (found,) = tables(study, {"jhmdb": Set(layout="jhmdb")})
    (difference,) = found.differences
    assert difference.mean("rgb+flow") == pytest.approx(2.0)
    assert difference.deviation("rgb+flow") == pytest.approx(0.0, abs=1e-9)


def test_several_splits_get_their_mean_beside_the_papers() -> None:
    study = [measured(3, 0.5 + split / 100, split=split, head=0) for split in (1, 2, 3)]
    found = tables(study, {"jhmdb": Set(layout="jhmdb")})
    assert [title(each) for each in found] == [
        "jhmdb split 1",
        "jhmdb split 2",
        "jhmdb split 3",
        "jhmdb mean of splits 1, 2, 3",
    ]
    assert found[-1].rows[0].mean("rgb+flow") == pytest.approx(52.0)
    assert found[-1].rows[0].paper["rgb+flow"] == 78.4
    assert found[-1].clips == 3 * 268


def test_what_the_paper_lacks_is_an_empty_cell() -> None:
    (found,) = tables(STUDY, {"jhmdb": Set(layout="folder")})
    assert cells(found, differences=False)[0] == ("CNN", "", "30.0", "", "40.0", "", "50.0", "")


def test_thumos14_has_the_mean_average_precision_too() -> None:
    (found,) = tables(STUDY, {"jhmdb": Set(layout="thumos14")})
    assert cells(found, differences=False)[-1][-4:] == ("61.0 ± 1.7", "58.6", "71.0 ± 1.7", "68.4")


def test_the_papers_figures_are_of_test_parts() -> None:
    (found,) = tables(STUDY, {"jhmdb": Set(layout="thumos14", part="validation")})
    assert cells(found, differences=False)[-1][-4:] == ("61.0 ± 1.7", "", "71.0 ± 1.7", "")


def test_markdown_has_both_columns_and_the_caption(table: Table) -> None:
    text = markdown([table], STUDY, "made by hand")
    assert "made by hand" in text
    assert "| STA-TSN | 1 | 39.0 ± 1.0 | 58.6 | 49.0 ± 1.0 | 69.8 | 59.0 ± 1.0 | 81.0 |" in text
    assert "| SA-CNN - CNN | 25 | +4.0 | +1.5 | +4.0 | +0.4 | +4.0 | +0.4 |" in text
