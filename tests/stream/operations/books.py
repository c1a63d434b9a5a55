"""A ledger with two cameras and a rule in it, on a clock that the test sets."""

from __future__ import annotations

import msgspec

from stream.events.courier import Delivery
from stream.messaging.messages import CameraFacts
from stream.operations.ledger import Ledger
from tests.stream.messaging import samples_of_messages as samples

CAMERAS = ("hall", "yard")


class Books:
    """The ledger of a daemon that has said who it is, and whose heart has beaten once."""

    def __init__(self, rules: tuple[str, ...] = ("moving",)) -> None:
        self.now_ns = 0
        self.sender = samples.envelope()
        self.ledger = Ledger(clock_ns=lambda: self.now_ns)
        self.ledger.note(
            msgspec.structs.replace(
                samples.meta(self.sender),
                rules=rules,
                cameras=tuple(CameraFacts(camera=name, url="scene:") for name in CAMERAS),
            )
        )
        self.ledger.phase = "running"

        self.ledger.deliveries = {"mqtt": Delivery(0, False), "webhook:vms": Delivery(3, True)}

    def beat(self, **changes: object) -> None:
        beat = samples.heartbeat(self.sender, CAMERAS)
        self.ledger.note(msgspec.structs.replace(beat, **changes))

    def tell(self, camera: str, state: str, **changes: object) -> None:
        self.ledger.note(samples.status(self.sender, camera, state, **changes))

    def predict(self, camera: str) -> None:
        self.ledger.note(samples.prediction(self.sender, camera))

    def event(self, camera: str, **changes: object) -> None:
        self.ledger.note(samples.event(self.sender, camera, **changes))
