"""What TensorRT says: its log, and how far a build is."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

log = logging.getLogger(__name__)

_TENTHS = 10


class Voice(Protocol):
    """A trt.ILogger that passes on what matters, and remembers what went wrong."""

    def last_words(self) -> str:
        """The errors since this was asked last, oldest first; forgets them."""
        ...


def voice(trt: Any) -> Voice:
    """A voice for this TensorRT; a class of its own, since its base comes with `trt`."""
    severity = trt.ILogger.Severity

    class _Voice(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self._errors: list[str] = []

        def log(self, level: Any, message: str) -> None:
            if level in (severity.INTERNAL_ERROR, severity.ERROR):
                # The one who asked says it; what is nobody's answer must not pile up.
                self._errors = [*self._errors[-2:], message.strip().rstrip(".")]
                log.debug("%s", message)
            elif level == severity.WARNING:
                log.info("TensorRT: %s", message)

        def last_words(self) -> str:
            errors, self._errors = self._errors, []
            return "; ".join(dict.fromkeys(errors)) or "no reason given"

    made: Voice = _Voice()
    return made


def monitor(trt: Any, name: str, progress: Callable[[str], None]) -> Any | None:
    """A trt.IProgressMonitor that says each tenth of a build; None where the version has none."""
    if not hasattr(trt, "IProgressMonitor"):
        return None

    class _Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}  # of the outermost phases that are under way
            self._said: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str | None, num_steps: int) -> None:
            if parent_phase is None:
                self._steps[phase_name], self._said[phase_name] = num_steps, 0

        def step_complete(self, phase_name: str, step: int) -> bool:
            if steps := self._steps.get(phase_name):
                tenth = (step + 1) * _TENTHS // steps
                if tenth > self._said[phase_name]:
                    self._said[phase_name] = tenth
                    progress(f"building the plan of {name}: {phase_name}, {tenth * _TENTHS} %")
            return True

        def phase_finish(self, phase_name: str) -> None:
            self._steps.pop(phase_name, None)

    return _Monitor()
