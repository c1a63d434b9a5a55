"""What signals do to a command of a front door."""

from __future__ import annotations

import importlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

from engine.console import interrupt_on_signals

SWALLOWS = """
import os, signal, time

try:
    os.kill(os.getpid(), signal.{name})
    time.sleep(0.1)
    whole = True
except BaseException:
    whole = False
"""

both_signals = pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])


@pytest.fixture(autouse=True)
def _handlers() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    before = [(number, signal.getsignal(number)) for number in numbers]
    yield
    signal.setitimer(signal.ITIMER_REAL, 0)
    for number, handler in before:
        signal.signal(number, handler)


@both_signals
def test_a_signal_interrupts(name: str) -> None:
    came = Event()
    interrupt_on_signals(came)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(getattr(signal, name))
    assert came.is_set()


@both_signals
def test_an_import_is_interrupted_when_it_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    # As cv2's loader does, which catches whatever is raised in it.
    (tmp_path / f"swallows_{name}.py").write_text(SWALLOWS.format(name=name))
    monkeypatch.syspath_prepend(str(tmp_path))
    interrupt_on_signals(Event())
    imported = []

    def work() -> None:
        imported.append(importlib.import_module(f"swallows_{name}"))
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert imported[0].whole


def test_one_that_came_before_interrupts_at_once() -> None:
    came = Event()
    came.set()
    with pytest.raises(KeyboardInterrupt):
        interrupt_on_signals(came)
