"""`gesta verify`: whether a daemon, or a recording of one, keeps what the messages promise."""

from __future__ import annotations

import math
import sys
import time
from pathlib import Path

from stream.errors import ConfigError
from stream.messaging.conformance import Conformance
from stream.messaging.keys import read_client_key
from stream.messaging.subscriber import Subscriber

FAULTS_FOUND = 1  # the exit code
POLL_S = 0.2


def verify(target: str, *, listen_s: float, key: Path | None = None) -> int:
    """Prints a sentence for each fault, and one about what was heard; returns the exit code.

    Args:
        target: an endpoint, or a file of messages as `gesta watch --json` writes them.
        listen_s: to an endpoint; 0 until interrupted.
        key: a file of `gesta keys new`, where the daemon lets only known clients in.

    Raises:
        ConfigError: target is neither, or the key can't be read.
    """
    if not (math.isfinite(listen_s) and listen_s >= 0):
        raise ConfigError(f"--seconds: must be a number of seconds from 0, not {listen_s}")
    conformance = Conformance(_say)
    if "://" in target:
        listened_s = _listen(conformance, target, listen_s, key)
        heard = f"in {listened_s:.0f} s"
    else:
        _read(conformance, Path(target))
        if conformance.messages == 0:
            conformance.report(f"there is no message in {target}")
        heard = f"in {target}"
    faults, messages, topics = conformance.faults, conformance.messages, len(conformance.topics)
    verdict = _counted(faults, "fault") if faults else "all as promised"
    _say(f"{_counted(messages, 'message')} on {_counted(topics, 'topic')} {heard}: {verdict}")
    return FAULTS_FOUND if faults else 0


def _listen(conformance: Conformance, endpoint: str, listen_s: float, key: Path | None) -> float:
    """Listens to a daemon, and to its silence; returns for how long."""
    subscriber = Subscriber(
        endpoint,
        key=None if key is None else read_client_key(key),
        overhear=lambda parts: conformance.take(
            parts[0].decode(errors="replace"), b"".join(parts[1:2]), parts[2:]
        ),
    )
    began_s = time.monotonic()
    until_s = began_s + (listen_s or math.inf)
    try:
        while (left_s := until_s - time.monotonic()) > 0:
            subscriber.receive(min(left_s, POLL_S))
    except KeyboardInterrupt:  # that is long enough
        pass
    finally:
        subscriber.close()
    age_s = subscriber.heartbeat_age_s
    if age_s is None:
        conformance.report(f"no heartbeat came from {endpoint}: {subscriber.trouble}")
    elif not subscriber.alive:
        conformance.report(f"the last heartbeat came {age_s:.1f} s before the end")
    return time.monotonic() - began_s


def _read(conformance: Conformance, path: Path) -> None:
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    conformance.take_line(line, f"line {number}")
    except OSError as error:
        raise ConfigError(
            f"{path} can't be read ({error.strerror}); give a file of gesta watch --json, or an "
            "endpoint such as tcp://127.0.0.1:5599"
        ) from error


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
