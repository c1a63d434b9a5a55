"""All that connects a daemon with the world besides its cameras, opened and closed together."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from engine.manifest import Manifest
from stream.configuration.config import Config, HttpConfig
from stream.errors import StoreError
from stream.events.courier import Courier, Sink, stop_couriers
from stream.events.desk import Change, EventDesk
from stream.events.rule import RuleConfig, check_labels
from stream.events.store import EventStore
from stream.inbox import Inbox
from stream.messaging.answers import Answers
from stream.messaging.keys import KeyFolder
from stream.messaging.publisher import Publisher
from stream.opening import Opening
from stream.operations.address import Address
from stream.operations.ledger import Ledger
from stream.operations.pages import Pages
from stream.operations.server import serving
from stream.systemd import Systemd

if TYPE_CHECKING:
    from stream.evidence.keeper import EvidenceKeeper

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Outside:
    """What the daemon's main thread talks to.

    answers: None where nobody may ask. evidence: None where none is kept. couriers: to whoever else
    is told of events. manifest: the bundle's, whose labels rules may name.
    """

    publisher: Publisher
    answers: Answers | None
    events: EventDesk
    evidence: EvidenceKeeper | None
    ledger: Ledger
    systemd: Systemd
    couriers: Sequence[Courier]
    manifest: Manifest
    _store: EventStore | None = None  # opened, and not yet in use

    def check(self, config: Config) -> None:
        """Makes sure that `revise` can take this configuration.

        Raises:
            ConfigError: a rule names a label that the bundle lacks.
            StoreError: it brings the first rule, and the event store can't be opened.
        """
        check_labels(config.rules, self.manifest.classes, self.manifest.name)
        if config.rules and not self.events.is_stored:
            self._store = EventStore(Path(config.events.store))

    def revise(self, config: Config) -> list[Change]:
        """Goes on with other cameras and rules; returns what that changed of events."""
        changes = [] if self._store is None else self.events.keep_in(self._store)
        self._store = None
        changes += self.events.revise(config.rules)
        if self.evidence is not None:
            self.evidence.revise(config.cameras, config.rules)
        for courier in self.couriers:
            courier.sink.revise(rules_by_camera(config))
        _warn_without_rules(config, self.couriers)
        return changes


def rules_by_camera(config: Config) -> Mapping[str, Sequence[RuleConfig]]:
    """The rules that hold for each camera."""
    return {
        camera.name: [rule for rule in config.rules if rule.holds_for(camera.name)]
        for camera in config.cameras
    }


@contextmanager
def opened_outside(config: Config, opening: Opening, inbox: Inbox) -> Iterator[Outside]:
    """Opens it all; closes it when the block ends. inbox: where evidence is told of.

    Raises:
        ConfigError: keys or certificates can't be read.
        StoreError: the event store can't be opened.
        PublishError: an endpoint can't be had.
    """
    ledger, systemd = Ledger(), Systemd()
    systemd.says("opening the engine")
    with ExitStack() as stack:
        couriers = [Courier(Path(config.events.store), sink) for sink in _sinks(config)]
        _warn_without_rules(config, couriers)
        events = stack.enter_context(_event_desk(config, opening, couriers))
        stack.enter_context(_http_side(config.http, ledger))
        keys = None if config.publish.keys is None else KeyFolder(Path(config.publish.keys))
        insecure = config.publish.insecure
        publisher = Publisher(config.publish.bind, insecure=insecure, keys=keys)
        # Where the daemon has closed it in order, this does nothing.
        stack.callback(publisher.close, orderly=False)
        answers = None
        if config.publish.answers is not None:
            answers = Answers(
                config.publish.answers,
                node=config.node,
                retained=lambda: publisher.retained,
                changes=events.changes,
                insecure=insecure,
                keys=keys,
            )
            stack.callback(answers.close)
        yield Outside(
            publisher=publisher,
            answers=answers,
            events=events,
            evidence=stack.enter_context(_evidence(config, opening, inbox)),
            ledger=ledger,
            systemd=systemd,
            couriers=couriers,
            manifest=opening.manifest,
        )


@contextmanager
def _event_desk(
    config: Config, opening: Opening, couriers: Sequence[Courier]
) -> Iterator[EventDesk]:
    """The rules' desk, with its store open where there is one. The couriers run meanwhile."""

    def wake() -> None:
        for courier in couriers:
            courier.wake()

    def present(camera: str, here: bool) -> None:
        for courier in couriers:
            courier.sink.present(camera, here)

    desk = EventDesk(
        config.rules,
        classes=opening.manifest.classes,
        window_s=opening.manifest.window_s,
        store=_event_store(config),
        stored=wake,
        present=present,
        keep_s=config.events.keep_days * 86_400,
    )
    with ExitStack() as stack:
        stack.callback(desk.close)
        for courier in couriers:
            courier.start()
        stack.callback(stop_couriers, couriers)
        yield desk


def _event_store(config: Config) -> EventStore | None:
    """Where there are rules, or receivers whose place in it is kept there, the store. Without any,
    one that is there already and can be had: what a killed daemon left open in it must end.

    Raises:
        StoreError: it is needed, and can't be opened.
    """
    path = Path(config.events.store)
    needed = config.rules or config.webhooks or config.mqtt
    if not (needed or os.path.exists(path)):  # which raises nothing, as the Path's own does
        return None
    try:
        return EventStore(path)
    except StoreError as error:
        if needed:
            raise
        _log.warning("%s; there is no rule, so the daemon goes on without", error)
        return None


@contextmanager
def _evidence(config: Config, opening: Opening, inbox: Inbox) -> Iterator[EvidenceKeeper | None]:
    """Who keeps evidence of events, where the configuration says so."""
    if config.evidence is None:
        yield None
        return
    from stream.evidence.keeper import EvidenceKeeper

    keeper = EvidenceKeeper(
        config.evidence,
        config.cameras,
        config.rules,
        manifest=opening.manifest,
        deliver=inbox.put,
    )
    keeper.start()
    try:
        yield keeper
    finally:
        keeper.stop()


def _warn_without_rules(config: Config, couriers: Sequence[Courier]) -> None:
    """Receivers may wait for a rule that is yet to come; nobody is to wait in vain, unknowing."""
    if couriers and not any(rule.enabled for rule in config.rules):
        _log.warning(
            "no rule is enabled, so %s will never be told of an event; add a [[rule]]",
            ", ".join(courier.sink.name for courier in couriers),
        )


def _sinks(config: Config) -> Iterator[Sink]:
    """Everyone outside who is told of events; imported where there is one."""
    if config.webhooks:
        from stream.events.webhook import Webhook

        for webhook in config.webhooks:
            yield Webhook(webhook, node=config.node)
    if config.mqtt is not None:
        from stream.events.mqtt import Mqtt

        yield Mqtt(
            config.mqtt,
            site=config.site,
            node=config.node,
            cameras=rules_by_camera(config),
            store=str(Path(config.events.store).absolute()),
        )


@contextmanager
def _http_side(http: HttpConfig | None, ledger: Ledger) -> Iterator[None]:
    """Serves operators meanwhile, where they are to be served."""
    if http is None:
        yield
        return
    from stream.operations import metrics  # whoever has no use for it need not wait for it

    pages = Pages(ledger, token=http.token, metrics=metrics.page, metrics_type=metrics.CONTENT_TYPE)
    with serving(Address.parse(http.bind), pages.to):
        yield
