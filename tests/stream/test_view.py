import io

import msgspec
import pytest
from rich.console import Console

from stream.errors import Reason
from stream.messaging.messages import Window
from stream.view import View, bar, sparkline
from tests.stream.messaging.samples_of_messages import (
    envelope,
    heartbeat,
    meta,
    prediction,
    status,
)


class Clock:
    now_s = 100.0

    def __call__(self):
        return int(self.now_s * 1e9)


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def view(clock):
    return View(clock_ns=clock)


def drawn(view, width=120, **options):
    console = Console(width=width, record=True, force_terminal=True, file=io.StringIO())
    console.print(view.table(width=width, **options))
    return console.export_text()


def test_a_bar_is_exact_to_an_eighth_of_a_cell():
    assert bar(0, 4) == "    "
    assert bar(0.5, 4) == "██  "
    assert bar(1 / 32, 4) == "▏   "
    assert bar(1.5, 4) == "████"


def test_a_sparkline_is_relative_to_its_largest_and_blank_where_nothing_is():
    assert sparkline((0.0, 0.25, 0.5, 1.0), 4) == " ▃▅█"
    assert sparkline((0.0, 0.0, 1.0, 1.0), 2) == " █"
    assert sparkline((), 3) == "   "


def test_the_table_says_which_camera_does_what_and_how_sure(view):
    sender = envelope()
    for message in (meta(sender), heartbeat(sender), status(sender), prediction(sender)):
        view.take(message)
    text = drawn(view, lost=7)
    for words in ("cam0", "live", "walk", "75%", "idle", "25%", "bundle tiny 1", "24 ms",
                  "1 of 30 repeated", "7 messages lost"):  # fmt: skip
        assert words in text


@pytest.mark.parametrize("width", [80, 100, 200])
def test_it_fits_the_terminal(view, width):
    sender = envelope()
    for message in (meta(sender), status(sender), prediction(sender, truth="walk")):
        view.take(message)
    text = drawn(view, width)
    assert max(len(line) for line in text.splitlines()) <= width
    assert "truth walk ✓" in text
    assert "75%" in text
    assert "…" not in text


def test_a_small_terminal_shows_camera_and_action(view):
    sender = envelope()
    for name in ("cam0", "loading-dock-north"):
        view.take(status(sender, name))
        view.take(prediction(sender, name))
    view.take(status(sender, "roof", state="offline", reason=Reason.REFUSED, detail="not there"))
    lines = drawn(view, 40).splitlines()
    assert max(len(line) for line in lines) <= 40
    (walk, *_) = (line for line in lines if "walk" in line and "cam0" in line)
    assert "75%" in walk
    assert any("loading-d" in line for line in lines)
    assert any("roof" in line and "not there" in line for line in lines)


def test_many_cameras_get_one_line_each_on_a_low_terminal(view):
    sender = envelope()
    for i in range(20):
        view.take(status(sender, f"cam{i:02}"))
        view.take(prediction(sender, f"cam{i:02}"))
    assert len(drawn(view, height=30).splitlines()) <= 26


def test_a_camera_that_is_away_says_why_instead_of_what_it_last_saw(view):
    sender = envelope()
    view.take(prediction(sender))
    view.take(
        status(
            sender, state="offline", reason=Reason.REFUSED,
            detail="camera.example refuses the connection", next_retry_s=3.2,
        )
    )  # fmt: skip
    text = drawn(view)
    assert "offline" in text
    assert "refuses" in text
    assert "next try in 3 s" in text
    assert "walk" not in text


def test_a_window_that_is_filling_or_has_holes_says_so(view):
    sender = envelope()
    half = Window(frames=15, fill=0.5, complete=False, repeated=0, shed=0)
    view.take(msgspec.structs.replace(prediction(sender), window=half))
    assert "window filling, 50%" in drawn(view)
    holes = Window(frames=30, fill=1.0, complete=False, repeated=4, shed=4)
    view.take(msgspec.structs.replace(prediction(sender), window=holes))
    assert "4 of 30 shed" in drawn(view)


def test_a_camera_that_rgb_looks_at_alone_says_so(view):
    message = prediction(envelope())
    view.take(message)
    assert "RGB alone" not in drawn(view)
    view.take(msgspec.structs.replace(message, modality="rgb"))
    assert "RGB alone" in drawn(view)


def test_rate_and_age_follow_the_clock(view, clock):
    sender = envelope()
    for _ in range(50):
        clock.now_s += 0.1
        view.take(prediction(sender))
    assert "10.0/s" in drawn(view)
    clock.now_s += 30
    text = drawn(view)
    assert "0.0/s" in text
    assert "30.0 s ago" in text


def test_lines_say_the_same_for_a_pipe(view):
    sender = envelope()
    view.take(status(sender))
    view.take(prediction(sender, truth="walk"))
    view.take(status(sender, "yard", state="stalled", reason=Reason.STALL, detail="silent"))
    assert list(view.lines()) == [
        "cam0 live: walk 0.75, idle 0.25 | window 100% | 0.5/s 24 ms 0.0 s ago | truth walk",
        "yard stalled STALL: silent",
    ]


def test_lines_say_what_an_overloaded_machine_leaves_out(view):
    holes = Window(frames=30, fill=1.0, complete=False, repeated=5, shed=4)
    message = msgspec.structs.replace(prediction(envelope()), window=holes, modality="rgb")
    view.take(message)
    (line,) = view.lines()
    assert "| window 100%, 4 of 30 shed | RGB alone |" in line
