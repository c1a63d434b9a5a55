"""The real processes under test: the daemon, and a subscriber beside it.

Both are started as a user starts them, with this interpreter, and are ended by their own id.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import zmq

ROOT = Path(__file__).parents[2]
Message = dict[str, Any]


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def free_endpoint() -> str:
    """Where a daemon can publish."""
    return f"tcp://127.0.0.1:{free_port()}"


def command(*arguments: object) -> list[str]:
    """The command line of `gesta ARGUMENTS` with this interpreter."""
    return [sys.executable, "-m", "stream.cli", *map(str, arguments)]


def environment() -> dict[str, str]:
    """This process's own, with as many threads as a small machine has."""
    return {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONUNBUFFERED": "1", "NO_COLOR": "1"}


def gesta(
    *arguments: object, timeout_s: float = 90.0, **settings: Any
) -> subprocess.CompletedProcess[str]:
    """Runs a command to its end."""
    return subprocess.run(
        settings.pop("command", command(*arguments)),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        cwd=ROOT,
        check=False,
        **{"env": environment(), "stdin": subprocess.DEVNULL, **settings},
    )


class Process:
    """`gesta ARGUMENTS` in the background; ended, whatever happens, with its context.

    What it writes is read at once, so that it never waits for a full pipe.
    """

    def __init__(
        self,
        *arguments: object,
        env: dict[str, str] | None = None,
        cores: set[int] | None = None,
    ) -> None:
        self.popen = subprocess.Popen(
            command(*arguments),
            preexec_fn=cores and (lambda: os.sched_setaffinity(0, cores)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            cwd=ROOT,
            env=environment() if env is None else env,
        )
        assert self.popen.stdout is not None
        assert self.popen.stderr is not None
        self._output: list[bytes] = []
        self._errors: list[bytes] = []
        self._readers = [
            threading.Thread(target=self._read, args=(self.popen.stdout, self._out), daemon=True),
            threading.Thread(target=self._read, args=(self.popen.stderr, self._err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    @property
    def pid(self) -> int:
        return self.popen.pid

    @property
    def running(self) -> bool:
        return self.popen.poll() is None

    @property
    def stdout(self) -> str:
        return b"".join(self._output).decode(errors="replace")

    @property
    def stderr(self) -> str:
        return b"".join(self._errors).decode(errors="replace")

    def wait(self, timeout_s: float) -> int:
        """Its exit code; fails the test where it doesn't end in time."""
        try:
            code = self.popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(
                f"still running after {timeout_s} s; stderr:\n{self.stderr}"
            ) from None
        for reader in self._readers:
            reader.join(5)
        return code

    def stop(self, how: signal.Signals = signal.SIGTERM, timeout_s: float = 10.0) -> int:
        """Asks it to stop; its exit code."""
        self.popen.send_signal(how)
        return self.wait(timeout_s)

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.running:
            self.popen.kill()
        self.popen.wait(10)
        for reader in self._readers:
            reader.join(5)
        for pipe in (self.popen.stdout, self.popen.stderr):
            assert pipe is not None
            pipe.close()
        if kind is not None:
            sys.stderr.write(f"--- stderr of process {self.pid}\n{self.stderr}")

    def _out(self, data: bytes) -> None:
        self._output.append(data)

    def _err(self, data: bytes) -> None:
        self._errors.append(data)

    @staticmethod
    def _read(pipe: IO[bytes], take: Callable[[bytes], None]) -> None:
        for line in pipe:
            take(line)


class Messages:
    """What a subscriber has read so far, in order; `keep` says which to keep."""

    def __init__(self, keep: Callable[[Message], bool] = lambda message: True) -> None:
        self._keep = keep
        self.all: list[Message] = []
        self._news = threading.Condition()

    def take(self, message: Message) -> None:
        with self._news:
            if self._keep(message):
                self.all.append(message)
            self._news.notify_all()

    def of(self, kind: str, camera: str | None = None, **fields: Any) -> list[Message]:
        """Those of a type, in order, without repetitions for a late subscriber."""
        wanted = {"type": kind, "replay": False, **fields}
        if camera is not None:
            wanted["camera"] = camera
        return [m for m in list(self.all) if all(m.get(k) == v for k, v in wanted.items())]

    def wait(
        self, condition: Callable[[], Any], what: str, timeout_s: float = 30.0, *, also: Process
    ) -> Any:
        """Waits until `condition()` is true and returns it; fails the test at the timeout.

        also: a process that must go on living meanwhile.
        """
        deadline_s = time.monotonic() + timeout_s
        with self._news:
            while not (found := condition()):
                left_s = deadline_s - time.monotonic()
                assert also.running, f"the process ended while waiting for {what}:\n{also.stderr}"
                assert left_s > 0, f"no {what} within {timeout_s} s; {self.summary()}"
                self._news.wait(min(left_s, 0.2))
        return found

    def summary(self) -> str:
        """What there was instead: states in full, predictions as counts."""
        lines = []
        for m in list(self.all):
            if m["type"] == "status":
                lines.append(f"{m['camera']} {m['state']} {m['reason']} {m['detail']!r}")
            elif m["type"] == "prediction" and lines[-1:] and lines[-1].startswith("predictions"):
                lines[-1] = f"predictions {int(lines[-1].split()[1]) + 1}"
            elif m["type"] == "prediction":
                lines.append("predictions 1")
        return "; ".join(lines) or "nothing was heard"


class Watcher(Process):
    """`gesta watch --json` beside a daemon: a subscriber in a process of its own."""

    def __init__(self, endpoint: str) -> None:
        self.messages = Messages()
        super().__init__("watch", endpoint, "--json")

    def _out(self, data: bytes) -> None:
        super()._out(data)
        if data.startswith(b"{"):
            self.messages.take(json.loads(data))

    def close(self) -> None:
        self.__exit__(None, None, None)


class Listener:
    """A subscriber in this process, on a socket of its own that hears a daemon's first words."""

    def __init__(
        self, endpoint: str, keep: Callable[[Message], bool] = lambda message: True
    ) -> None:
        self.messages = Messages(keep)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._listen, args=(endpoint,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._over.set()
        self._thread.join(5)

    def _listen(self, endpoint: str) -> None:
        with zmq.Context() as context, context.socket(zmq.SUB) as subscriber:
            subscriber.linger = 0
            subscriber.setsockopt(zmq.RCVHWM, 0)
            subscriber.setsockopt(zmq.RECONNECT_IVL, 5)  # ms
            subscriber.subscribe(b"gesta/1/")
            subscriber.connect(endpoint)
            while not self._over.is_set():
                if subscriber.poll(100):
                    self.messages.take(json.loads(subscriber.recv_multipart()[1]))


class Daemon(Process):
    """`gesta run ARGUMENTS`, whose messages are read.

    watch: by `gesta watch --json`, in another process; else by a socket here.
    keep: which messages to keep, of those read here.
    cores: the only ones that it may run on.
    """

    def __init__(
        self,
        *arguments: object,
        watch: bool = False,
        keep: Callable[[Message], bool] = lambda message: True,
        env: dict[str, str] | None = None,
        cores: set[int] | None = None,
    ) -> None:
        self.endpoint = free_endpoint()
        self.subscriber = Watcher(self.endpoint) if watch else Listener(self.endpoint, keep)
        self.messages = self.subscriber.messages
        given = ["--publish", self.endpoint, "--precision", "fp32"]
        super().__init__("run", *given, *arguments, env=env, cores=cores)

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float = 30.0) -> Any:
        """Waits for a message, or a number of them."""
        return self.messages.wait(condition, what, timeout_s, also=self)

    def status(
        self,
        state: str,
        reason: str | None = None,
        *,
        camera: str = "cam0",
        after: int = 0,
        timeout_s: float = 30.0,
    ) -> Message:
        """Waits for a status; `after`: only those beyond so many messages heard."""

        def found() -> Message | None:
            for message in self.messages.all[after:]:
                if (message["type"], message.get("camera")) == ("status", camera) and (
                    message["state"] == state and (reason is None or message["reason"] == reason)
                ):
                    return message
            return None

        message: Message = self.wait_for(found, f"status {state} {reason or ''}", timeout_s)
        return message

    def predictions(self, count: int, timeout_s: float = 30.0, **fields: Any) -> list[Message]:
        """Waits for so many predictions with these fields; all of them."""

        def found() -> list[Message]:
            have = self.messages.of("prediction", **fields)
            return have if len(have) >= count else []

        what = f"{count} predictions with {fields}"
        predictions: list[Message] = self.wait_for(found, what, timeout_s)
        return predictions

    def complete(self, timeout_s: float = 30.0, **fields: Any) -> Message:
        """Waits for a prediction over a whole window."""

        def found() -> Message | None:
            have = self.messages.of("prediction", **fields)
            return next((m for m in have if m["window"]["complete"]), None)

        message: Message = self.wait_for(found, f"complete window with {fields}", timeout_s)
        return message

    def __exit__(self, *failure: Any) -> None:
        try:
            super().__exit__(*failure)
        finally:
            self.subscriber.close()


def gapless(messages: Sequence[Message]) -> bool:
    """Whether none of one topic's messages is missing."""
    numbers = [message["seq"] for message in messages]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def epochs(predictions: Sequence[Message]) -> Iterator[list[Message]]:
    """Predictions of one camera, grouped by stream epoch, in order."""
    number, group = None, []
    for prediction in predictions:
        if prediction["stream_epoch"] != number and group:
            yield group
            group = []
        number = prediction["stream_epoch"]
        group.append(prediction)
    if group:
        yield group
