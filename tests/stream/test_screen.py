import io
import threading
import time

from stream.screen import WAITING_AT_MOST, Screen, ScreenThread, Terminal
from stream.view import View
from tests.stream.messaging.samples_of_messages import envelope, prediction, status

SOON_S = 10


def test_without_a_terminal_lines_come_twice_a_second():
    out, now_s = io.StringIO(), 0.0
    view = View()
    view.take(status(sender := envelope()))
    view.take(prediction(sender))
    with Screen(view, Terminal(file=out, width=40), clock_s=lambda: now_s) as screen:
        for _ in range(100):
            screen.draw()
            now_s += 0.02
    lines = out.getvalue().splitlines()
    assert len(lines) == 4
    assert all(line.startswith("cam0 live: walk 0.75") for line in lines)


def test_in_a_terminal_the_table_redraws_itself_and_stays_at_the_end():
    out = io.StringIO()
    view = View()
    view.take(prediction(envelope()))
    with Screen(view, Terminal(file=out, force_terminal=True, width=120, height=30)) as screen:
        screen.draw(now=True)
        screen.draw(now=True)
    text = out.getvalue()
    assert text.count("walk") >= 2
    assert text.endswith("\x1b[?25h")  # the cursor is back


def test_a_daemon_never_waits_for_a_stuck_terminal():
    stuck = threading.Event()

    class Stuck(io.StringIO):
        def write(self, text):
            stuck.wait(SOON_S)
            return super().write(text)

    thread = ScreenThread(Terminal(file=Stuck()))
    thread.start()
    started_s = time.monotonic()
    sender = envelope()
    for _ in range(3 * WAITING_AT_MOST):
        thread.show(prediction(sender))
    thread.stop(timeout_s=0.2)
    assert time.monotonic() - started_s < 5
    stuck.set()
    thread.join(SOON_S)


def test_a_pipe_that_closes_ends_the_drawing_only(caplog):
    class Gone(io.StringIO):
        def write(self, text):
            raise BrokenPipeError("nobody reads")

    thread = ScreenThread(Terminal(file=Gone()))
    thread.start()
    thread.show(prediction(envelope()))
    thread.join(SOON_S)
    assert not thread.is_alive()
    assert "the daemon goes on" in caplog.text


def test_it_ends_when_asked():
    thread = ScreenThread(Terminal(file=io.StringIO()))
    thread.start()
    thread.stop(timeout_s=SOON_S)
    assert not thread.is_alive()
