"""A day of events at high speed: the daemon's desk, store and couriers, on scripted predictions.

    python -m tests.integration.event_storm STORE URL BROKER_PORT FIRST COUNT

plays the events FIRST to COUNT of a fixed schedule, and says on stdout how far it has come. It may
be killed at any moment and started again where it was. BROKER_PORT 0: there is no broker.
"""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from stream.events import courier, mqtt
from stream.events.courier import Courier, Sink, stop_couriers
from stream.events.desk import EventDesk
from stream.events.receivers import MqttConfig, WebhookConfig
from stream.events.store import EventStore
from stream.events.webhook import Webhook
from stream.messaging.envelope import Envelope
from tests.stream.events.drawn import CLASSES, NOON_NS, SECOND_NS, Predictions, rule
from tests.stream.messaging.samples_of_messages import status

CAMERAS = ("hall", "yard", "gate")
STEP_S = 0.2  # between predictions
ACTION_S, REST_S = 2.0, 2.0  # of each event, and before it


def play(store_path: Path, url: str, broker_port: int, first: int, count: int) -> None:
    # A receiver that was away is tried again at once: this day lasts a minute.
    courier.FIRST_PAUSE_S, courier.LONGEST_PAUSE_S = 0.02, 0.2
    mqtt.CONNECTS_WITHIN_S = 1.0
    store = EventStore(store_path)
    sinks: list[Sink] = [Webhook(WebhookConfig(name="vms", url=url, timeout_s=0.5), node="b")]
    if broker_port:
        config = MqttConfig(host="127.0.0.1", port=broker_port)
        cameras = {camera: [rule()] for camera in CAMERAS}
        sinks.append(
            mqtt.Mqtt(config, site="home", node="b", cameras=cameras, store=str(store_path))
        )
    couriers = [Courier(store_path, sink) for sink in sinks]

    def wake() -> None:
        for each in couriers:
            each.wake()

    desk = EventDesk([rule()], classes=CLASSES, window_s=1.2, store=store, stored=wake)
    for each in couriers:
        each.start()
    desk.begin()
    seen = {camera: Predictions(camera) for camera in CAMERAS}
    epochs = dict.fromkeys(CAMERAS, first)
    draw = random.Random(first)  # a day has its mishaps
    for number in range(first, count):
        camera, clock_s = CAMERAS[number % len(CAMERAS)], draw.choice((0.0, 0.0, 0.0, -3.0, 7.0))
        begin_s = number * (ACTION_S + REST_S)
        is_lost = draw.random() < 0.05
        with full_disk(draw.random() < 0.05):
            for step in range(round((ACTION_S + REST_S) / STEP_S)):
                at_s = begin_s + step * STEP_S
                p = 0.9 if step * STEP_S >= REST_S else 0.1
                told = seen[camera](at_s, p, epoch=epochs[camera], clock_ahead_s=clock_s)
                desk.recognised(told)
        if is_lost:
            desk.told(status(Envelope("home", "b"), camera, "stalled"))
            epochs[camera] += 1
        for step in range(10):  # it is over
            at_s = begin_s + ACTION_S + REST_S + step * STEP_S
            told = seen[camera](at_s, 0.1, epoch=epochs[camera], clock_ahead_s=clock_s)
            desk.recognised(told)
        desk.tidy(NOON_NS + round(begin_s * SECOND_NS))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
    desk.stop()
    stop_couriers(couriers)
    desk.close()


@contextmanager
def full_disk(is_full: bool) -> Iterator[None]:
    """No file of this process can be written meanwhile."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    if is_full:
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


if __name__ == "__main__":
    play(Path(sys.argv[1]), sys.argv[2], *map(int, sys.argv[3:6]))
