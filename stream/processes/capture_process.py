"""One capture process as the daemon sees it: started, heard, and replaced where it dies."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from queue import SimpleQueue

from stream.processes.link import Link
from stream.processes.orders import Begin, Leave, Order, WantFlow
from stream.processes.remote_capture import RemoteCapture
from stream.processes.reports import Gone, News, Report
from stream.reconnect import Backoff

HUNG_S = 10.0  # without a word, of which there are two a second
BEGIN_S = 60.0  # until the first
WAKING_S = 1.0
_MODULE = "stream.processes.child"

_log = logging.getLogger(__name__)


class CaptureProcess:
    """A thread, `capture-process:<number>`, that keeps a process running, and reads its reports.

    A camera whose frames make FFmpeg crash takes its neighbours in the process with it; all go on
    in the next one.

    Args:
        begin: its first order.
        wants_flow: whether the flow stream is wanted at the moment.
        backoff: how long to wait before the next one where it dies.
        hung_s: how long it may be silent.
    """

    def __init__(
        self,
        number: int,
        begin: Begin,
        *,
        wants_flow: Callable[[], bool] = lambda: True,
        backoff: Backoff | None = None,
        hung_s: float = HUNG_S,
    ) -> None:
        self.name = f"capture-process:{number}"
        self._begin = begin
        self._wants_flow = wants_flow
        self._backoff = Backoff() if backoff is None else backoff
        self._hung_s = hung_s
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._lock = threading.Lock()  # of what follows
        self._captures: dict[int, RemoteCapture] = {}  # by key
        self._flow_wanted = True  # as the process was told
        self._link: Link | None = None  # None while there is no process
        self._orders = SimpleQueue[Sequence[Order] | None]()  # on their way to it
        self._process: subprocess.Popen[bytes] | None = None

    # --- what the main thread does ------------------------------------------------------------

    def start(self) -> None:
        """Begins; returns at once."""
        self._thread.start()

    def watch(self, capture: RemoteCapture) -> None:
        """One more camera."""
        with self._lock:
            self._captures[capture.key] = capture
            self._send(capture.order())

    def leave(self, capture: RemoteCapture) -> None:
        """One camera less; it is told once it has ended."""
        with self._lock:
            if self._link is not None:
                self._send(Leave(capture.key))
            elif self._captures.pop(capture.key, None) is not None:
                capture.end()

    def supervise(self) -> None:
        """About once a second: tells the process what the daemon leaves out."""
        wanted = self._wants_flow()
        with self._lock:
            if wanted != self._flow_wanted:
                self._flow_wanted = wanted
                self._send(WantFlow(wanted))

    @property
    def pid(self) -> int | None:
        """None while there is none."""
        process = self._process
        return None if process is None else process.pid

    def stop(self) -> None:
        """Asks it to end; never waits."""
        self._closing.set()
        with self._lock:
            if self._link is not None:
                self._link.hang_up()

    def close(self, deadline_s: float) -> None:
        """Ends it: in order until `time.monotonic()` is there, then at once."""
        self.stop()
        process = self._process
        if process is not None:
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self._thread.is_alive():
            self._thread.join()

    def _send(self, *orders: Order) -> None:
        """Never waits; what no process is there to hear is nobody's order."""
        if self._link is not None:
            self._orders.put(orders)

    # --- the thread ---------------------------------------------------------------------------

    def _run(self) -> None:
        while not self._closing.is_set():
            how = self._life()
            captures = self._present()
            if self._closing.is_set():
                break
            wait_s = self._backoff.next_wait_s()
            names = ", ".join(capture.camera.name for capture in captures) or "no camera yet"
            _log.error("%s (%s) %s; another one takes its place", self.name, names, how)
            for capture in captures:
                capture.lost(f"its capture process {how}; another one takes its place", wait_s)
            self._closing.wait(wait_s)
        for capture in self._present():
            capture.end()

    def _present(self) -> list[RemoteCapture]:
        """The cameras, while there is no process; those that are leaving have left."""
        with self._lock:
            self._link = self._process = None
            for capture in [each for each in self._captures.values() if each.is_leaving]:
                del self._captures[capture.key]
                capture.end()
            return list(self._captures.values())

    def _life(self) -> str:
        """One process from start to end; says how it ended."""
        with self._lock:
            if self._closing.is_set():
                return "wasn't started"
            try:
                process, link = _started()
            except OSError as error:
                return f"can't be started ({error.strerror})"
            orders = self._orders = SimpleQueue()
            sender = threading.Thread(target=_send_all, args=(orders, link), daemon=True)
            sender.start()
            self._process, self._link = process, link
            self._flow_wanted = self._wants_flow()
            watched = [capture.order() for capture in self._captures.values()]
            self._send(self._begin, WantFlow(self._flow_wanted), *watched)
        how = ""
        try:
            self._listen(link)
        except TimeoutError as error:
            how = f"{error}, and was killed"
        except (EOFError, OSError):
            pass
        except Exception as error:  # noqa: BLE001  a bug here must not leave its cameras unread
            _log.error("%s: a bug, please report it", self.name, exc_info=error)
            how = f"was killed after a bug ({type(error).__name__}, see the log)"
        if how or not self._closing.is_set():
            process.kill()  # it may stand still
        code = process.wait()
        orders.put(None)
        sender.join()  # what it waits for has gone with the process
        with self._lock:
            link.close()
        return how or _described(code)

    def _listen(self, link: Link) -> None:
        """Takes what it reports. Raises what `Link.receive` does where no more will come, and
        TimeoutError where it is silent.
        """
        news = _heard(link, BEGIN_S)
        self._backoff.connected()
        while True:
            for each in news:
                self._take(each)
            news = _heard(link, self._hung_s)

    def _take(self, news: News) -> None:
        if not isinstance(news, Report):
            logging.getLogger(news.name).handle(news)
            return
        with self._lock:
            capture = self._captures.get(news.key)
            if isinstance(news.what, Gone):
                self._captures.pop(news.key, None)
        if capture is None:
            return
        try:
            capture.take(news.what)
        except Exception as error:  # noqa: BLE001  one bad camera never disturbs the others
            _log.error("%s: a bug, please report it", capture.name, exc_info=error)


def _started() -> tuple[subprocess.Popen[bytes], Link]:
    """A process, and the way to it."""
    ours, theirs = socket.socketpair()
    with theirs:
        try:
            process = subprocess.Popen(  # noqa: S603  our own module
                # -P: what lies in the folder where the daemon runs is not ours to import.
                [sys.executable, "-P", "-m", _MODULE, str(theirs.fileno())],
                env=_environment(),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                process_group=0,  # a terminal's Ctrl-C is for the daemon
            )
        except BaseException:
            ours.close()
            raise
    return process, Link(ours)


def _heard(link: Link, patience_s: float) -> list[News]:
    """The next reports."""
    news = link.receive(patience_s)
    if news is None:  # where all was halted, this process may be the first to go on
        news = link.receive(WAKING_S)
    if news is None:
        raise TimeoutError(f"said nothing for {patience_s:g} s")
    return news


def _environment() -> dict[str, str]:
    """This process's own, and where it runs from a checkout, the same Gesta for the other."""
    root = Path(__file__).parents[2]
    if root.name in ("site-packages", "dist-packages"):
        return dict(os.environ)
    path = [str(root), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path)}


def _send_all(orders: SimpleQueue[Sequence[Order] | None], link: Link) -> None:
    """Sends until None, or nobody listens; its own thread, since a process may stand still."""
    with contextlib.suppress(OSError):
        while (batch := orders.get()) is not None:
            link.send(batch)


def _described(code: int) -> str:
    """How a process ended, after its name."""
    if code >= 0:
        return f"ended with code {code}"
    try:
        return f"died of {signal.Signals(-code).name}"
    except ValueError:
        return f"died of signal {-code}"
