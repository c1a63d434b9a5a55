"""A capture process: `python -m stream.processes.child FD`, as a daemon starts it.

It does what it is ordered to over the socket FD, and ends with the daemon.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from logging.handlers import QueueHandler
from queue import SimpleQueue

import cv2

from engine.flow.estimator import FlowEstimator
from engine.flow.open import open_flow
from stream.capture import CaptureThread
from stream.processes.distant_sight import DistantEyes
from stream.processes.link import Link
from stream.processes.orders import Begin, Leave, Order, WantFlow, Watch
from stream.processes.outlet import Outlet
from stream.processes.reports import Added, Gone, SightCall
from stream.samples import StreamSample
from stream.sights import Sights
from stream.sources.source import PacketTap
from stream.status import StatusChange

TURN_S = 0.1  # how soon it is told that a camera's thread has ended
NUMBERS_EVERY_S = 0.5
SUPERVISE_EVERY_S = 1.0
STOP_S = 0.8
BEGIN_S = 60.0  # for the first order


class Sink:
    """See `stream.samples.SampleSink`: one camera's samples go out to the daemon, which sheds."""

    shed = 0
    depth = 0

    def __init__(self, key: int, outlet: Outlet) -> None:
        self._key, self._outlet = key, outlet

    def put(self, sample: StreamSample) -> bool:
        """May wait. False once it is closed."""
        return self._outlet.put_picture(self._key, sample)

    def close(self) -> None:
        """Nothing is taken any more."""
        self._outlet.close(self._key)


class LogOutlet(QueueHandler):
    """Sends the log to the daemon, which masks and writes it."""

    def __init__(self, outlet: Outlet) -> None:
        super().__init__(SimpleQueue())  # of no use: see `enqueue`
        self._outlet = outlet

    def enqueue(self, record: logging.LogRecord) -> None:
        """Called with what can be pickled."""
        self._outlet.put_news(record)


class CaptureHost:
    """Runs the cameras' threads. begin: the first order."""

    def __init__(self, link: Link, begin: Begin) -> None:
        self._link, self._begin = link, begin
        self._outlet = Outlet(link)
        self._sights = Sights(begin.manifest, begin.flow_entry, self._open_flow)
        self._wants_flow = True
        self._captures: dict[int, CaptureThread] = {}
        self._numbers_due_s = self._supervision_due_s = 0.0

    def run(self, orders: Sequence[Order]) -> None:
        """Until the daemon is gone, or wants no more. orders: that came with the first."""
        outlet, level = LogOutlet(self._outlet), self._begin.log_level
        # The daemon writes the rest of a line.
        logging.basicConfig(handlers=[outlet], level=level, format="%(message)s", force=True)
        self._outlet.start()
        while True:
            for order in orders:
                self._do(order)
            self._look_after()
            try:
                orders = self._link.receive(TURN_S) or ()
            except (EOFError, OSError):
                break
        for capture in self._captures.values():
            capture.stop()
        deadline_s = time.monotonic() + STOP_S
        for capture in self._captures.values():
            capture.join(max(0.0, deadline_s - time.monotonic()))

    def _do(self, order: Order) -> None:
        if isinstance(order, Watch):
            self._outlet.open(order.key)
            capture = self._captures[order.key] = self._capture(order)
            capture.start()
        elif isinstance(order, Leave):
            if order.key in self._captures:
                self._captures[order.key].stop()
        elif isinstance(order, WantFlow):
            self._wants_flow = order.wanted

    def _capture(self, order: Watch) -> CaptureThread:
        key, outlet, begin = order.key, self._outlet, self._begin

        def report(call: SightCall) -> None:
            (outlet.put_picture if isinstance(call, Added) else outlet.put)(key, call)

        def tell(change: StatusChange) -> None:
            outlet.put(key, capture.snapshot())  # of the same moment
            outlet.put(key, change)

        sights = self._sights
        if order.sends_frames:
            sights = Sights(begin.manifest, begin.flow_entry, self._open_flow)
            sights.eyes = DistantEyes(begin.manifest.resize, report)
        capture = CaptureThread(
            order.camera,
            manifest=begin.manifest,
            open_sight=sights.opener(order.camera),
            queue=Sink(key, outlet),
            on_status=tell,
            wants_flow=lambda: self._wants_flow,
            packets=self._relay(key) if order.sends_packets else None,
            decoder=begin.decoder,
            turns=self._sights.turns,  # as many as there are cores: all make or resize pictures
            epoch=order.epoch,
            before=order.before,
        )
        return capture

    def _relay(self, key: int) -> PacketTap:
        from stream.evidence.relay import PacketRelay  # most daemons keep no evidence

        return PacketRelay(lambda relayed: self._outlet.put(key, relayed))

    def _open_flow(self) -> FlowEstimator:
        begin = self._begin
        return open_flow(begin.flow, begin.flow_entry.parameters, begin.flow_device)

    def _look_after(self) -> None:
        now_s = time.monotonic()
        if now_s >= self._supervision_due_s:
            self._supervision_due_s = now_s + SUPERVISE_EVERY_S
            for capture in self._captures.values():
                capture.supervise()
        ended = [key for key, capture in self._captures.items() if not capture.is_alive()]
        if ended or now_s >= self._numbers_due_s:
            self._numbers_due_s = now_s + NUMBERS_EVERY_S
            self._outlet.put_numbers(
                (key, capture.snapshot()) for key, capture in self._captures.items()
            )
        for key in ended:
            del self._captures[key]
            self._outlet.put(key, Gone())


def main(arguments: list[str]) -> None:
    """The process's life."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # the daemon decides, and is noticed to have ended
    cv2.setNumThreads(1)
    link = Link(socket.socket(fileno=int(arguments[0])))
    if orders := link.receive(BEGIN_S):
        CaptureHost(link, orders[0]).run(orders[1:])
    # A thread that FFmpeg doesn't give back would hold an orderly end.
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
