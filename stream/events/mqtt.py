"""An MQTT broker: changes of events, and for Home Assistant the state of each rule and camera."""

from __future__ import annotations

import logging
import ssl
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlparse
from urllib.request import url2pathname

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from stream.errors import ConfigError
from stream.events.courier import DeliveryError
from stream.events.event import Event
from stream.events.home_assistant import discovery
from stream.events.mqtt_topics import Topics
from stream.events.receivers import MqttConfig
from stream.events.report import report
from stream.events.rule import RuleConfig
from stream.events.unreachable import reason_of

ARRIVES_WITHIN_S = 10.0
KEEPALIVE_S = 30
CONNECTS_WITHIN_S = 10.0
CLOSES_WITHIN_S = 0.3

_log = logging.getLogger(__name__)


class Mqtt:
    """A sink. It connects when it is first needed, and again whenever it has to.

    Args:
        cameras: by name, the rules that hold for each.
        store: the event store's path, which no two daemons of a node share.

    Raises:
        ConfigError: certificates can't be read.
    """

    name = "mqtt"

    def __init__(
        self,
        config: MqttConfig,
        *,
        site: str,
        node: str,
        cameras: Mapping[str, Sequence[RuleConfig]],
        store: str,
    ) -> None:
        self._config = config
        self._site = site
        self._node = node
        self._cameras = cameras
        self._connected = threading.Event()
        self._closed = threading.Event()
        self._refusal: str | None = None  # the last attempt's; "" where it succeeded
        self._tell_connected: Callable[[], None] = lambda: None
        self._answered = False  # whether the broker did, on this connection
        self._open: dict[tuple[str, str], str] = {}  # the event that goes on, by camera and rule
        self._present = dict.fromkeys(cameras, False)
        self._lock = threading.Lock()  # of what revisions change: paho's thread reads it, too
        self._topics = Topics(config.base, site=site, node=node, store=store)
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=f"gesta-{site}-{node}-{uuid.uuid4().hex[:8]}",  # two daemons of a host, too
            clean_session=True,  # the store keeps what hasn't arrived
        )
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message
        self._client.will_set(self._topics.availability, "offline", qos=1, retain=True)
        self._client.reconnect_delay_set(1, 30)
        if config.user is not None:
            self._client.username_pw_set(config.user, config.password)
        if config.tls:
            self._client.tls_set_context(_trust(config))
        self._started = False

    @property
    def is_away(self) -> bool:
        """Whether the last attempt to connect failed."""
        return bool(self._refusal)

    def open(self, connected: Callable[[], None] = lambda: None) -> None:
        """Begins to connect; paho's own thread does it, and does it again."""
        self._tell_connected = connected
        host, _, port = self._config.address.rpartition(":")
        self._client.connect_async(host, int(port), KEEPALIVE_S)
        self._client.loop_start()
        self._started = True

    def tell(self, sequence: int, event: Event) -> None:
        """Publishes one change, and what it makes of the rule's state."""
        if not self._started:
            self.open()
        if not self._connected.wait(CONNECTS_WITHIN_S) or self._closed.is_set():
            why = self._refusal or "can't be reached"
            raise DeliveryError(f"mqtt: {self._config.address} {why}")
        key = (event.camera, event.rule)
        if event.is_open:
            self._open[key] = event.event_id
        elif self._open.get(key) == event.event_id:
            del self._open[key]
        sent = []
        with self._lock:  # what a broker keeps of a camera or a rule that is gone would stay
            rules = [rule.name for rule in self._cameras.get(event.camera, ())]
            if event.rule in rules:
                sent.append(self._retain(self._topics.state(*key), self._state(*key)))
            if event.camera in self._cameras and (image := _snapshot(event)) is not None:
                sent.append(self._retain(self._topics.snapshot(event.camera), image))
        # Last, so that who acts on the change finds the state and the picture that it made.
        change = report(sequence, event, node=self._node)
        sent.append(self._client.publish(self._topics.event(event.camera), change, qos=1))
        for each in sent:
            try:
                each.wait_for_publish(ARRIVES_WITHIN_S)
            except (RuntimeError, ValueError) as error:
                raise DeliveryError(
                    f"mqtt: {self._config.address} takes nothing ({error})"
                ) from error
            if not each.is_published():
                raise DeliveryError(f"mqtt: {self._config.address} doesn't confirm an event")

    def present(self, camera: str, here: bool) -> None:
        """Whether a camera's sensors mean anything now."""
        if camera not in self._present:
            return  # the last word on one that was taken out
        self._present[camera] = here
        if self._connected.is_set():
            self._publish_presence(camera)

    def revise(self, cameras: Mapping[str, Sequence[RuleConfig]]) -> None:
        """Announces what is new, and deletes what the broker keeps of what is gone.

        One that can't be reached now is cleaned up once it can be.
        """
        with self._lock:
            before = self._retained()
            self._cameras = cameras
            self._present = {camera: self._present.get(camera, False) for camera in cameras}
            if self._connected.is_set() and not self._closed.is_set():
                self._delete(before)
                self._publish_all()

    def close(self) -> None:
        """Says that nobody watches any more."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self._connected.is_set():
            self._retain(self._topics.availability, "offline")
        self._client.disconnect()
        self._connected.set()  # lets go of a `tell` that waits
        if self._started:
            # It joins paho's thread, which may be in the midst of connecting: not for long.
            stopping = threading.Thread(target=self._client.loop_stop, daemon=True)
            stopping.start()
            stopping.join(CLOSES_WITHIN_S)

    def _on_connect(
        self,
        client: paho.Client,
        userdata: object,  # noqa: ARG002
        flags: object,  # noqa: ARG002
        reason: Any,
        properties: object,  # noqa: ARG002
    ) -> None:
        self._answered = True
        if reason.is_failure:
            self._tried(f"refuses the connection ({reason})")
            return
        self._tried("")
        client.subscribe(self._topics.kept, qos=1)  # we are sent it before we write it anew
        if self._config.discovery:
            client.subscribe(f"{self._config.discovery}/status", qos=1)
        with self._lock:
            self._publish_all()
        # Last: what a daemon that was killed left there would count again for a moment.
        self._retain(self._topics.availability, "online")
        self._connected.set()
        self._tell_connected()

    def _on_connect_fail(self, *given: object) -> None:  # noqa: ARG002
        # paho calls it while it handles the error, and doesn't hand it on.
        error = sys.exception()
        if error is not None:
            self._tried(f"can't be reached ({reason_of(error)})")

    def _on_disconnect(self, *given: object) -> None:  # noqa: ARG002
        if not self._answered:
            # TLS 1.3 refuses a client's certificate after the handshake.
            self._tried(
                "hangs up before it answers; does it want another mqtt.cert?"
                if self._config.tls
                else "doesn't answer as a broker does; does it want mqtt.tls?"
            )
        self._answered = False
        self._connected.clear()

    def _tried(self, refusal: str) -> None:
        """Notes what became of connecting, and logs it where that is another than before."""
        if refusal == self._refusal or self._closed.is_set():
            return
        self._refusal = refusal
        if refusal:
            _log.warning("mqtt: %s %s; it is tried again, for ever", self._config.address, refusal)
        else:
            _log.info("mqtt: connected to %s", self._config.address)

    def _on_message(self, client: object, userdata: object, message: paho.MQTTMessage) -> None:  # noqa: ARG002
        if message.topic == self._topics.kept:
            if message.retain:
                self._forget(message.payload)
        elif message.payload == b"online":  # Home Assistant has started anew, and asks who is there
            with self._lock:
                self._announce()

    def _forget(self, kept: bytes | bytearray) -> None:
        """Deletes what a broker keeps of cameras and rules that the configuration had before we
        connected: Home Assistant would show them for ever, and as if nothing ever happened there.
        """
        with self._lock:
            self._delete(self._topics.ours(kept))

    def _delete(self, topics: set[str]) -> None:
        """Of these topics, those that we have no more."""
        for topic in sorted(topics - self._retained()):
            self._retain(topic, b"")

    def _publish_all(self) -> None:
        """All that the broker is to keep, but pictures."""
        self._announce()
        for camera, rules in self._cameras.items():
            self._publish_presence(camera)
            for rule in rules:
                self._retain(self._topics.state(camera, rule.name), self._state(camera, rule.name))
        self._retain(self._topics.kept, msgspec.json.encode(sorted(self._retained())))

    def _publish_presence(self, camera: str) -> None:
        here = "online" if self._present[camera] else "offline"
        self._retain(self._topics.presence(camera), here)

    def _retain(self, topic: str, payload: str | bytes) -> paho.MQTTMessageInfo:
        """Has the broker keep it; of nothing, it keeps nothing."""
        return self._client.publish(topic, payload, qos=1, retain=True)

    def _state(self, camera: str, rule: str) -> str:
        return "ON" if (camera, rule) in self._open else "OFF"

    def _announce(self) -> None:
        """Tells Home Assistant what there is."""
        for topic, payload in self._discovery().items():
            self._retain(topic, payload)

    def _discovery(self) -> dict[str, str]:
        if not self._config.discovery:
            return {}
        return discovery(
            self._config.discovery,
            base=self._config.base,
            site=self._site,
            node_availability=self._topics.availability,
            cameras=self._cameras,
        )

    def _retained(self) -> set[str]:
        """Every topic about the cameras that a broker keeps."""
        return self._topics.of(self._cameras) | set(self._discovery())


def _snapshot(event: Event) -> bytes | None:
    """The picture of an event, unless it has none or was deleted since."""
    if event.evidence is None or event.evidence.snapshot is None:
        return None
    try:
        return Path(url2pathname(urlparse(event.evidence.snapshot.uri).path)).read_bytes()
    except OSError:
        return None


def _trust(config: MqttConfig) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=config.ca)
        if config.cert is not None:
            context.load_cert_chain(config.cert, config.key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(
            f"mqtt: its certificates can't be read ({error}); check the paths"
        ) from error
    return context
