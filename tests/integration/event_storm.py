"""A day of events at high speed: the daemon's desk, store and couriers, on scripted predictions.

    python -m tests.integration.event_storm STORE URL FIRST COUNT

plays the events FIRST to COUNT of a fixed schedule, and says on stdout how far it has come. It may
be killed at any moment and started again where it was.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

from stream.events import courier
from stream.events.courier import Courier, stop_couriers
from stream.events.desk import EventDesk
from stream.events.receivers import WebhookConfig
from stream.events.store import EventStore
from stream.events.webhook import Webhook
from tests.stream.events.drawn import CLASSES, Predictions, rule

CAMERAS = ("hall", "yard", "gate")
STEP_S = 0.2  # between predictions
ACTION_S, REST_S = 2.0, 2.0  # of each event, and before it
SETTLE_S = 60.0  # for the last changes to arrive


def play(store_path: Path, url: str, first: int, count: int) -> None:
    # A broker that was away is tried again at once: this day lasts a minute.
    courier.FIRST_PAUSE_S, courier.LONGEST_PAUSE_S = 0.02, 0.2
    store = EventStore(store_path)
    sending = Courier(
        store_path, Webhook(WebhookConfig(name="vms", url=url, timeout_s=0.5), node="b")
    )
    desk = EventDesk([rule()], classes=CLASSES, window_s=1.2, store=store, stored=sending.wake)
    sending.start()
    desk.begin()
    seen = {camera: Predictions(camera) for camera in CAMERAS}
    # The clock is set back now and then: a day has its mishaps.
    ahead = random.Random(0)
    for number in range(first, count):
        camera, clock_s = CAMERAS[number % len(CAMERAS)], ahead.choice((0.0, 0.0, 0.0, -3.0, 7.0))
        begin_s = number * (ACTION_S + REST_S)
        steps = round((ACTION_S + REST_S) / STEP_S)
        for step in range(steps):
            at_s = begin_s + step * STEP_S
            p = 0.9 if step * STEP_S >= REST_S else 0.1
            desk.recognised(seen[camera](at_s, p, epoch=first, clock_ahead_s=clock_s))
        for step in range(10):  # it is over
            desk.recognised(
                seen[camera](begin_s + ACTION_S + REST_S + step * STEP_S, 0.1, epoch=first,
                             clock_ahead_s=clock_s)
            )  # fmt: skip
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
    desk.stop()
    stop_couriers([sending])
    desk.close()


if __name__ == "__main__":
    play(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
