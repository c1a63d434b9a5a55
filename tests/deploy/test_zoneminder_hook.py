"""The ZoneMinder hook: Gesta's own posts before it, behind it answers as ZoneMinder gave them."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import parse_qs, unquote

import pytest

from stream.events.courier import DeliveryError
from stream.events.event import Event
from stream.events.evidence import Evidence
from stream.events.receivers import WebhookConfig
from stream.events.webhook import Webhook

SCRIPT = Path(__file__).parents[2] / "deploy" / "zoneminder_hook.py"
SECRET, PASSWORD = "whsec_Z2VzdGEgcmVjb3JkZWQgdGhpcyB3aXRoIGEga2V5Lg==", "the user's own"
NOW_S, SECOND_NS = 1_795_000_000.0, 1_000_000_000


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("zoneminder_hook", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


zoneminder_hook = load()


def local(at_s: float) -> str:
    """As ZoneMinder writes times."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at_s))


class Api(ThreadingHTTPServer):
    """ZoneMinder 1.36.33's API, with one monitor, `hall`, whose id is 1."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.recordings: list[dict[str, Any]] = []
        self.is_on = False
        self.sees = True  # the camera
        self.status = 200
        self.good_token = "first"
        self.commands: list[str] = []
        self.lines: list[str] = []  # of requests, as an access log has them
        self.logins = 0
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/zm"

    def record(self, start: str, end: str | None, notes: str = "Forced Web: ") -> dict[str, Any]:
        number = len(self.recordings) + 1
        recording = {"Id": number, "Cause": "Forced Web", "Notes": notes}
        self.recordings.append(recording | {"StartDateTime": start, "EndDateTime": end})
        return self.recordings[-1]

    def answer(self, path: str, fields: dict[str, str]) -> dict[str, Any] | int:
        if self.status != 200:
            return self.status
        if path == "host/login":
            self.logins += 1
            right = fields == {"user": "gesta", "pass": PASSWORD}
            return {"access_token": self.good_token} if right else 401
        if fields.pop("token", None) != self.good_token:
            return 401
        if path == "monitors/index":
            return {"monitors": [{"Monitor": {"Id": 1, "Name": "hall"}}]}
        if command := re.fullmatch(r"monitors/alarm/id:1/command:(on|off)", path):
            return self._alarm(command[1])
        if path.startswith("events/index/MonitorId:1/StartDateTime <=:"):
            until = path.partition("<=:")[2]
            known = [{"Event": e} for e in self.recordings if e["StartDateTime"] <= until]
            return {"events": known[::-1]}
        number = int(path.rpartition("/")[2])
        recording = self.recordings[number - 1]
        if path.startswith("events/view/"):
            return {"event": {"Event": recording}}
        assert set(fields) == {"Event[Cause]", "Event[Notes]"}
        recording |= {"Cause": fields["Event[Cause]"], "Notes": fields["Event[Notes]"]}
        return {"message": "Saved"}

    def _alarm(self, command: str) -> dict[str, str]:
        self.commands.append(command)
        if command == "off":
            self.is_on = False
            return {"status": "Cancelling forced alarm on/off"}
        if not self.sees:
            return {"status": "Forcing alarm on current state: Idle, event 0"}
        if not self.is_on:
            self.record(local(NOW_S - 5), None)  # with its pre-roll
        self.is_on = True
        return {"status": f"Alarmed event id: {len(self.recordings)}"}


class _Handler(BaseHTTPRequestHandler):
    server: Api

    def do_POST(self) -> None:
        self.server.lines.append(self.path)
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        fields = {name: values[0] for name, values in parse_qs(body).items()}
        path = unquote(self.path.partition("?")[0]).removeprefix("/zm/api/").removesuffix(".json")
        said = self.server.answer(path, fields)
        self.send_response(said if isinstance(said, int) else 200)
        self.end_headers()
        if not isinstance(said, int):
            self.wfile.write(json.dumps(said).encode())

    def log_message(self, *given: object) -> None:
        pass


class Rig:
    """Gesta's webhook, the hook and the API in a row; the hook's clock stands at `now_s`."""

    def __init__(self, api: Api, *, password: str = PASSWORD) -> None:
        self.api = api
        self.now_s = NOW_S
        alarms = zoneminder_hook.Alarms(
            zoneminder_hook.ZoneMinder(api.url, "gesta", password),
            utc_s=lambda: self.now_s,
        )
        key = b"gesta recorded this with a key."
        self.hook = zoneminder_hook.Hook(0, key, alarms)
        threading.Thread(target=self.hook.serve_forever, args=(0.02,), daemon=True).start()

    def tell(self, event: Event, *, secret: str | None = SECRET, at_s: float | None = None) -> None:
        """As the daemon tells a webhook."""
        url = f"http://127.0.0.1:{self.hook.server_address[1]}/"
        config = WebhookConfig(name="vms", url=url, secret=secret, timeout_s=20.0)
        webhook = Webhook(config, node="box", utc_s=lambda: at_s or time.time())
        webhook.tell(0, event)
        webhook.close()

    def close(self) -> None:
        self.hook.shutdown()
        self.hook.server_close()


@pytest.fixture
def api() -> Iterator[Api]:
    api = Api()
    yield api
    api.shutdown()
    api.server_close()


@pytest.fixture
def rig(api: Api) -> Iterator[Rig]:
    rig = Rig(api)
    yield rig
    rig.close()


def event(
    phase: str = "start",
    *,
    name: str = "a1",
    label: str = "walk",
    camera: str = "hall",
    ago_s: float = 0.5,
    revision: int | None = None,
    evidence: Evidence | None = None,
) -> Event:
    """One of 2 s, last seen so long before NOW_S."""
    seen_ns = round((NOW_S - ago_s) * SECOND_NS)
    return Event(
        event_id=name,
        revision={"start": 0, "update": 1, "end": 2}[phase] if revision is None else revision,
        phase=phase,  # type: ignore[arg-type]
        site="home",
        camera=camera,
        rule="activity",
        label=label,
        severity="warning",
        start_ns=seen_ns - 2 * SECOND_NS,
        seen_ns=seen_ns,
        peak=0.98,
        peak_ns=seen_ns,
        key_ns=seen_ns,
        enter=0.6,
        exit=0.4,
        min_duration_s=0.4,
        merge_gap_s=1.0,
        onset_uncertainty_s=1.2,
        end_ns=seen_ns if phase == "end" else None,
        end_reason="below_exit" if phase == "end" else None,
        evidence=evidence,
    )


def test_an_event_is_an_alarm_with_its_label_as_the_cause(rig: Rig) -> None:
    rig.tell(event())
    (recording,) = rig.api.recordings
    assert rig.api.is_on
    assert recording["Cause"] == "walk"
    assert re.fullmatch(
        r"walk 98%, \d\d:\d\d:\d\d, rule activity, warning \[gesta a1\]", recording["Notes"]
    )

    rig.tell(event("end"))
    assert not rig.api.is_on
    assert re.fullmatch(
        r"walk 98%, \d\d:\d\d:\d\d to \d\d:\d\d:\d\d, rule activity, warning \[gesta a1\]",
        recording["Notes"],
    )


def test_the_alarm_lasts_as_long_as_any_event_of_the_camera(rig: Rig) -> None:
    rig.tell(event(name="a1"))
    rig.tell(event(name="b2", label="wave"))
    rig.tell(event("end", name="a1"))
    assert rig.api.is_on
    rig.tell(event("end", name="b2", label="wave"))
    assert not rig.api.is_on
    (recording,) = rig.api.recordings
    assert recording["Cause"] == "walk, wave"
    assert [line[-4:] for line in recording["Notes"].splitlines()] == [" a1]", " b2]"]


def test_of_an_event_that_is_long_over_no_alarm_is_raised_but_its_recording_is_marked(
    rig: Rig,
) -> None:
    long_before = rig.api.record("2026-01-01 00:00:00", "2026-01-01 00:10:00")
    then = rig.api.record(local(NOW_S - 605), local(NOW_S - 60), notes="Continuous")
    since = rig.api.record(local(NOW_S - 60), None)
    for phase in ("start", "update", "end"):
        rig.tell(event(phase, ago_s=600))
    assert "on" not in rig.api.commands
    assert then["Cause"] == "walk"
    assert then["Notes"].startswith("Continuous\nwalk 98%")
    assert long_before["Notes"] == since["Notes"] == "Forced Web: "


def test_an_event_that_is_told_late_but_goes_on_is_raised(rig: Rig) -> None:
    rig.tell(event(ago_s=20))
    assert not rig.api.is_on
    rig.tell(event("update"))
    assert rig.api.is_on


def test_while_zoneminder_is_away_gesta_is_told_to_come_again(rig: Rig) -> None:
    rig.api.status = 503
    with pytest.raises(DeliveryError, match="answers 502"):
        rig.tell(event())
    rig.api.status = 200
    rig.tell(event())
    assert rig.api.is_on


def test_a_camera_that_zoneminder_does_not_see_holds_nothing_up(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.api.sees = False
    rig.tell(event())
    rig.tell(event("update"))
    assert rig.api.commands == ["on"]  # which takes ten seconds there: not tried again so soon
    assert "does it see the camera?" in caplog.text
    rig.api.sees, rig.now_s = True, NOW_S + 25
    rig.tell(event("update", revision=2, ago_s=-25))
    assert rig.api.is_on


def test_a_camera_without_a_monitor_holds_nothing_up(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.tell(event(camera="yard"))
    assert "no monitor yard" in caplog.text
    assert rig.api.commands == []


def test_an_alarm_ends_when_nothing_more_is_told_of_its_event(rig: Rig) -> None:
    rig.tell(event())
    rig.now_s = NOW_S + 80
    time.sleep(0.2)
    assert rig.api.is_on
    rig.now_s = NOW_S + 100
    deadline_s = time.monotonic() + 30
    while rig.api.is_on and time.monotonic() < deadline_s:
        time.sleep(0.02)
    assert not rig.api.is_on


def test_what_is_told_twice_is_done_once(rig: Rig) -> None:
    rig.tell(event())
    rig.tell(event("end"))
    rig.tell(event())
    assert rig.api.commands == ["on", "off"]


def test_evidence_that_comes_later_cancels_no_alarm_of_another(rig: Rig) -> None:
    rig.tell(event())
    rig.tell(event("end"))
    rig.api.is_on = True  # by hand
    rig.tell(event("end", revision=3, evidence=Evidence(error="the disk is full")))
    assert rig.api.is_on


def test_a_token_that_is_no_longer_good_is_renewed(rig: Rig) -> None:
    rig.tell(event())
    rig.api.good_token = "second"
    rig.tell(event("end"))
    assert not rig.api.is_on
    assert rig.api.logins == 2


def test_a_wrong_password_is_said_and_nowhere_to_be_read(
    api: Api, caplog: pytest.LogCaptureFixture
) -> None:
    rig = Rig(api, password="not the user's own")
    with pytest.raises(DeliveryError, match="answers 502"):
        rig.tell(event())
    rig.close()
    assert "answers 401 to" in caplog.text
    assert "host/login" in caplog.text
    assert "not the user's own" not in caplog.text


def test_neither_password_nor_token_stands_in_a_url(rig: Rig) -> None:
    rig.tell(event())
    rig.tell(event("end"))
    assert rig.api.lines
    assert not any(rig.api.good_token in line or "pass" in line for line in rig.api.lines)


@pytest.mark.parametrize(
    "changed",
    [{"secret": "another"}, {"secret": None}, {"at_s": time.time() - 400}, {"at_s": 4e9}],
)
def test_what_somebody_else_posts_is_refused(rig: Rig, changed: dict[str, Any]) -> None:
    with pytest.raises(DeliveryError, match="answers 401"):
        rig.tell(event(), **changed)
    assert rig.api.lines == []


@pytest.mark.parametrize("secret", ["", "whsec_no base64"])
def test_without_a_secret_it_does_not_start(secret: str) -> None:
    run = subprocess.run(
        [sys.executable, str(SCRIPT), "http://127.0.0.1/zm"],
        env={**os.environ, "GESTA_WEBHOOK_SECRET": secret},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 2
    assert "GESTA_WEBHOOK_SECRET" in run.stderr
