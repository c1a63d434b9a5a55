"""What must hold of a daemon's messages and words, whatever its camera has done."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest

from tests.integration.processes import Daemon, Message, epochs


def steady(daemon: Daemon) -> Message:
    """Waits for a whole window from now on."""
    heard = len(daemon.messages.all)

    def found() -> Message | None:
        for message in daemon.messages.all[heard:]:
            if message["type"] == "prediction" and message["window"]["complete"]:
                return message
        return None

    prediction: Message = daemon.wait_for(found, "a whole window", timeout_s=60)
    return prediction


def assert_windows_are_within_epochs(daemon: Daemon) -> None:
    """Each epoch's windows fill from nothing, sample by sample, and epochs only rise."""
    predictions = daemon.messages.of("prediction")
    (grid, *_) = (m["grid"] for m in daemon.messages.all if m["type"] == "meta")
    size = grid["window_samples"]
    first, *rest = epochs(predictions)
    numbers = [epoch[0]["stream_epoch"] for epoch in (first, *rest)]
    assert numbers == sorted(set(numbers))
    for epoch in (first, *rest):
        for prediction in epoch:
            window = prediction["window"]
            samples = round(prediction["time"]["position_s"] * grid["prediction_hz"]) + 1
            assert window["frames"] == min(samples, size)  # as many as the epoch has had
            assert window["fill"] == pytest.approx(window["frames"] / size)
            assert window["complete"] == (window["frames"] == size and not window["shed"])
    for epoch in rest:
        # What the queue shed before an epoch's first prediction is part of its window.
        assert epoch[0]["window"]["frames"] <= 1 + epoch[0]["window"]["shed"]
        assert not epoch[0]["window"]["complete"]


def hole_s(before: Message, after: Message) -> float:
    """Between the newest frames of two predictions, by the daemon's own clock."""

    def seconds(message: Message) -> float:
        hours, minutes, rest = message["published_at"][11:-1].split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(rest)

    return (seconds(after) - seconds(before)) % 86400


def assert_secret_is_kept(daemon: Daemon, secret: str) -> None:
    """Neither in what the process writes nor in any message, whole or in telling pieces."""
    assert_no_secret(daemon.stdout + daemon.stderr + repr(daemon.messages.all), secret)


def assert_no_secret(text: str, secret: str) -> None:
    for form in {secret, quote(secret, safe=""), quote(secret), secret.encode().hex()}:
        assert form not in text
    for piece in re.findall(r"\w{3,}", secret):
        assert piece not in text, f"{piece!r} of the password is shown"
