"""Pictures say what the numbers say: bars, labels, masks; and missing numbers stop none."""

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from training.report.pictures.attention import Explained, attention_picture, lit
from training.report.pictures.canvas import DPI
from training.report.pictures.class_bars import class_bars
from training.report.pictures.confusion_matrix import confusion_matrix
from training.report.pictures.curves import training_curves
from training.report.pictures.reliability_diagram import reliability_diagram

CONFUSION = np.array([[1, 3, 0], [0, 5, 0], [0, 0, 0]])
CLASSES = ("catch", "golf", "idle")


def texts(drawn: Figure) -> list[str]:
    return [text.get_text() for axes in drawn.axes for text in axes.texts]


def test_bars_go_from_the_best_class_to_the_worst_with_their_counts() -> None:
    drawn = class_bars(CONFUSION, CLASSES)
    (axes,) = drawn.axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["golf (5)", "catch (4)"]
    assert [bar.get_width() for bar in axes.patches] == [1.0, 0.25]
    assert texts(drawn) == ["100%", "25%"]


def test_many_classes_are_shared_out_over_columns() -> None:
    drawn = class_bars(np.eye(101, dtype=int), [f"class {index}" for index in range(101)])
    assert sum(len(axes.patches) for axes in drawn.axes) == 101
    assert len(drawn.axes) == 3


def test_a_confusion_matrix_shows_parts_of_each_true_class() -> None:
    drawn = confusion_matrix(CONFUSION, CLASSES)
    axes = drawn.axes[0]
    np.testing.assert_allclose(axes.images[0].get_array(), [[0.25, 0.75, 0], [0, 1, 0]])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["catch", "golf"]
    assert [label.get_text() for label in axes.get_xticklabels()] == list(CLASSES)
    assert sorted(texts(drawn)) == ["100", "25", "75"]


def test_the_brightest_place_of_a_frame_is_where_attention_is_largest() -> None:
    frame = np.full((8, 8, 3), 200, np.uint8)
    attention = np.array([[0.1, 0.1], [0.1, 0.7]], np.float32)
    found = lit(frame, attention)
    assert found[7, 7, 0] == 200
    assert found[0, 0, 0] < 100
    even = lit(frame, np.full((2, 2), 0.25, np.float32))
    assert (even == 200).all()


def test_a_block_for_each_segment_with_a_bar_for_each_frame_and_stream() -> None:
    clip = Explained(
        frames=np.zeros((6, 8, 8, 3), np.uint8),
        ticks=(0, 2, 4, 6, 8, 10),
        spatial={name: np.full((6, 2, 2), 0.25, np.float32) for name in ("rgb", "flow")},
        temporal={
            "rgb": np.array([[0.2, 0.3, 0.5], [1.0, 0.0, 0.0]], np.float32),
            "flow": np.full((2, 3), 1 / 3, np.float32),
        },
    )
    drawn = attention_picture(clip)
    bars = [axes for axes in drawn.axes if axes.containers]
    heights = [[bar.get_height() for bar in axes.containers[0]] for axes in bars]  # type: ignore[attr-defined]
    np.testing.assert_allclose(heights, clip.temporal["rgb"])
    assert sum(bool(axes.images) for axes in drawn.axes) == 2 * 3 * 3  # frames, and both masks
    titles = [axes.get_title(loc="center") for axes in drawn.axes if axes.get_title(loc="center")]
    assert titles == ["0", "2", "4", "6", "8", "10"]


def test_the_names_of_rows_lie_inside_the_picture() -> None:
    """Also where attention is even, and its scale has two decimals."""
    clip = Explained(
        frames=np.zeros((30, 64, 64, 3), np.uint8),
        ticks=tuple(range(30)),
        spatial={name: np.full((30, 2, 2), 0.25, np.float32) for name in ("rgb", "flow")},
        temporal={name: np.full((3, 10), 0.1, np.float32) for name in ("rgb", "flow")},
    )
    drawn = attention_picture(clip)
    drawn.set_dpi(DPI)
    renderer = FigureCanvasAgg(drawn).get_renderer()
    drawn.draw(renderer)
    names = [axes.yaxis.label for axes in drawn.axes if axes.get_ylabel()]
    assert len(names) == 3 * 4
    assert min(name.get_window_extent(renderer).x0 for name in names) >= 0


def test_accuracy_stands_over_confidence_in_its_bin() -> None:
    drawn = reliability_diagram([(10, 0.45, 0.3), (30, 1.0, 0.9)], 0.1)
    above, below = drawn.axes
    np.testing.assert_allclose(above.lines[1].get_xydata(), [[0.45, 0.3], [1.0, 0.9]])
    np.testing.assert_allclose([bar.get_x() for bar in below.patches], [0.4, 0.9])  # type: ignore[attr-defined]
    assert [bar.get_height() for bar in below.patches] == [10, 30]  # type: ignore[attr-defined]


def test_curves_show_what_there_is() -> None:
    history = [
        {
            "stage": "stage1",
            "stream": "rgb",
            "phase": 1,
            "iteration": 10,
            "loss": 3.0,
            "right": 0.1,
        },
        {"stage": "stage1", "stream": "rgb", "phase": 2, "iteration": 20, "loss": 2.0},
        {"stage": "stage2", "stream": "flow", "iteration": 5, "loss": 1.0, "cross_entropy": 0.9},
    ]
    drawn = training_curves(history)
    assert drawn is not None
    loss, right, _, later, *_ = drawn.axes
    line, new_phase = loss.lines
    np.testing.assert_allclose(line.get_xydata(), [[10, 3.0], [20, 2.0]])
    assert new_phase.get_xdata()[0] == 10  # type: ignore[index]
    np.testing.assert_allclose(right.lines[0].get_xydata(), [[10, 0.1]])
    assert [each.get_label() for each in later.lines] == ["flow"]
    np.testing.assert_allclose(later.lines[0].get_xydata(), [[5, 0.9]])
    assert later.lines[0].get_marker() == "."  # a line of one point can't be seen
    assert line.get_marker() == "None"


@pytest.mark.parametrize("history", [[], [{"stage": "unknown"}]])
def test_no_history_is_no_picture(history: list[dict[str, object]]) -> None:
    assert training_curves(history) is None
