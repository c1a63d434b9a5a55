"""A capture process's way out: reports in their order, gathered while the last ones are sent."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable

from stream.processes.link import Link
from stream.processes.reports import News, Report, What
from stream.status import CaptureSnapshot

WAITING_AT_MOST = 4  # pictures or samples of a camera: beyond, it is the daemon that is slow


class Outlet(threading.Thread):
    """Any thread may report. Memory is bounded: what holds pictures waits for its turn."""

    def __init__(self, link: Link) -> None:
        super().__init__(name="outlet", daemon=True)
        self._link = link
        lock = threading.Lock()
        self._filled = threading.Condition(lock)  # there is something to send
        self._emptied = threading.Condition(lock)  # what holds pictures was sent
        self._waiting: list[News] = []
        self._numbers: dict[int, CaptureSnapshot] = {}
        self._alive = False  # whether to say so, numbers or not
        self._pictures: Counter[int] = Counter()  # by camera, of what waits or is being sent
        self._of_pictures: list[int] = []  # whose those are that wait
        self._open: set[int] = set()

    def open(self, key: int) -> None:
        """A camera begins."""
        with self._filled:
            self._open.add(key)

    def close(self, key: int) -> None:
        """From now on its pictures are refused; whoever waits is let go."""
        with self._emptied:
            self._open.discard(key)
            self._emptied.notify_all()

    def put_picture(self, key: int, what: What) -> bool:
        """Reports what holds pictures; may wait. False where the camera is closed."""
        with self._emptied:
            self._emptied.wait_for(
                lambda: key not in self._open or self._pictures[key] < WAITING_AT_MOST
            )
            if key not in self._open:
                return False
            self._pictures[key] += 1
            self._of_pictures.append(key)
            self._put(Report(key, what))
        return True

    def put(self, key: int, what: What) -> None:
        """Reports anything else. Never waits."""
        self.put_news(Report(key, what))

    def put_news(self, news: News) -> None:
        """Reports what may be of no camera. Never waits."""
        with self._filled:
            self._put(news)

    def put_numbers(self, numbers: Iterable[tuple[int, CaptureSnapshot]]) -> None:
        """Cameras' newest numbers, which take the place of those before. Where there are none,
        this still is a sign of life.
        """
        with self._filled:
            self._numbers.update(numbers)
            self._alive = True
            self._filled.notify()

    def run(self) -> None:
        """The thread's life: until the daemon is gone."""
        while True:
            with self._filled:
                self._filled.wait_for(lambda: self._waiting or self._alive)
                # Numbers first: a camera's last report is that it has gone.
                news: list[News] = [Report(*each) for each in self._numbers.items()]
                news += self._waiting
                self._numbers.clear()
                self._alive = False
                self._waiting.clear()
                pictures, self._of_pictures = self._of_pictures, []
            try:
                self._link.send(news)
            except OSError:
                return  # whoever receives orders notices, too
            if pictures:
                with self._emptied:
                    self._pictures.subtract(pictures)
                    for key in pictures:
                        if not self._pictures[key]:
                            del self._pictures[key]
                    self._emptied.notify_all()

    def _put(self, news: News) -> None:
        self._waiting.append(news)
        self._filled.notify()
