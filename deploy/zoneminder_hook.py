"""Gesta's events as alarms of ZoneMinder: takes its webhook, and calls ZoneMinder's API.

    export GESTA_WEBHOOK_SECRET=... ZM_USER=gesta ZM_PASSWORD=...
    python3 zoneminder_hook.py http://127.0.0.1/zm

Runs on ZoneMinder's machine, whose time zone it shares, and needs Python 3.11 alone. A camera's
alarm is that of the monitor of the same name: on while any of its events goes on, with their
labels as the cause. docs/integrations.md says more.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import hmac
import json
import logging
import os
import re
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections import deque
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOLERANCE_S = 300.0  # of a signature's time
LARGEST_BYTES = 65536  # of a post
FRESH_S = 10.0  # what was seen so recently goes on: Gesta tells of it every 5 s
SILENCE_S = 90.0  # Gesta tries again at least every 60 s
PAUSE_S = 20.0  # before the alarm of a monitor without pictures is tried again: it takes 10 s
ANSWER_S = 20.0

_log = logging.getLogger("zoneminder_hook")


class RefusedError(Exception):
    """A post that Gesta didn't send, or that came too late."""


class ZoneMinderError(Exception):
    """ZoneMinder can't be reached, or doesn't do as it is asked."""


def check_signature(headers: Mapping[str, str], body: bytes, key: bytes, now_s: float) -> None:
    """As Standard Webhooks says: HMAC-SHA256 over "id.timestamp.body". Raises RefusedError."""
    post, moment = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not (re.fullmatch(r"\d{1,12}", moment) and abs(now_s - int(moment)) <= TOLERANCE_S):
        raise RefusedError("it is five minutes old, or a clock is wrong")
    signed = b".".join((post.encode(), moment.encode(), body))
    digest = base64.b64encode(hmac.digest(key, signed, hashlib.sha256))
    given = headers.get("webhook-signature", "").split()
    if not any(hmac.compare_digest(each.encode(), b"v1," + digest) for each in given):
        raise RefusedError("its signature is missing or wrong")


class ZoneMinder:
    """Its API, version 2.0. Password and token travel in the body: a URL would be logged."""

    def __init__(self, url: str, user: str | None, password: str | None) -> None:
        self._url = url.rstrip("/")
        self._login = None if user is None else {"user": user, "pass": password or ""}
        self._token: str | None = None

    def monitors(self) -> dict[str, str]:
        """Ids by name."""
        found = self._call("monitors/index")["monitors"]
        return {each["Monitor"]["Name"]: str(each["Monitor"]["Id"]) for each in found}

    def raise_alarm(self, monitor: str) -> str | None:
        """The recording; None where ZoneMinder has no picture of the monitor."""
        said = self._call(f"monitors/alarm/id:{monitor}/command:on")
        number = re.search(r"Alarmed event id: (\d+)", str(said.get("status")))
        return number[1] if number else None

    def cancel_alarm(self, monitor: str) -> None:
        """To be called again does no harm."""
        self._call(f"monitors/alarm/id:{monitor}/command:off")

    def recorded(self, monitor: str, begin: datetime, end: datetime) -> list[str]:
        """The recordings between two times, the newest first."""
        until = urllib.parse.quote(f"StartDateTime <=:{end:%Y-%m-%d %H:%M:%S}", safe=":")
        path = f"events/index/MonitorId:{monitor}/{until}"
        last = self._call(path, "?sort=StartDateTime&direction=desc&limit=20")["events"]
        since = f"{begin:%Y-%m-%d %H:%M:%S}"  # such texts sort as times do
        found = (each["Event"] for each in last)
        return [str(each["Id"]) for each in found if (each["EndDateTime"] or since) >= since]

    def note(self, recording: str, event_id: str, line: str) -> None:
        """Puts an event's line into the notes, in place of the one before, and all labels into
        the cause. ZoneMinder's own lines stay, but for that of a forced alarm.
        """
        before = self._call(f"events/view/{recording}")["event"]["Event"]["Notes"] or ""
        old = [each for each in before.splitlines() if each.strip() and event_id not in each]
        lines = [each for each in old if not each.startswith("Forced Web")]
        lines.append(f"{line} [gesta {event_id}]")
        labels = dict.fromkeys(each.split()[0] for each in lines if "[gesta " in each)
        cause = ", ".join(labels)[:32]  # the column holds no more
        new = {"Event[Cause]": cause, "Event[Notes]": "\n".join(lines)}
        self._call(f"events/{recording}", **new)

    def _call(self, path: str, query: str = "", **fields: str) -> dict[str, Any]:
        """Logs in where it has to. Raises ZoneMinderError."""
        try:
            if self._token is not None:
                try:
                    return self._post(path, query, {**fields, "token": self._token})
                except urllib.error.HTTPError as error:
                    if error.code != 401:
                        raise
                self._token = None  # no longer good
            if self._login is not None:
                self._token = self._post("host/login", "", self._login)["access_token"]
                fields["token"] = self._token
            return self._post(path, query, fields)
        except urllib.error.HTTPError as error:
            raise ZoneMinderError(f"ZoneMinder answers {error.code} to {error.url}") from None
        except (OSError, ValueError, KeyError) as error:
            raise ZoneMinderError(f"ZoneMinder doesn't answer ({type(error).__name__})") from None

    def _post(self, path: str, query: str, fields: Mapping[str, str]) -> dict[str, Any]:
        body = urllib.parse.urlencode(fields).encode()
        url = f"{self._url}/api/{path}.json{query}"
        with urllib.request.urlopen(url, body, timeout=ANSWER_S) as answer:
            said: dict[str, Any] = json.load(answer)
        return said


class Alarms:
    """What goes on, and so which alarms are on. A restart forgets it, and nothing is lost: each
    update raises its event's alarm, where it isn't on any more, and each end cancels it.
    """

    def __init__(self, zoneminder: ZoneMinder, utc_s: Callable[[], float] = time.time) -> None:
        self._zoneminder = zoneminder
        self._utc_s = utc_s
        self._monitors: dict[str, str] = {}  # ids by the camera's name
        self._heard_s: dict[str, dict[str, float]] = {}  # of what goes on, by monitor and event
        self._not_before_s: dict[str, float] = {}  # no alarm is tried sooner, by monitor

    def take(self, event: Mapping[str, Any]) -> None:
        """One change of an event. Raises ZoneMinderError where it has to be told again."""
        camera, event_id = event["camera"], event["event_id"]
        if camera not in self._monitors:
            self._monitors = self._zoneminder.monitors()
        if camera not in self._monitors:
            _log.warning("ZoneMinder has no monitor %s; event %s is passed over", camera, event_id)
            return
        try:
            self._take(self._monitors[camera], event)
        except ZoneMinderError:
            self._monitors = {}  # the monitor may have gone
            raise

    def expire(self) -> None:
        """Cancels alarms whose events nobody has told of for long: Gesta was killed, perhaps."""
        now_s = self._utc_s()
        for monitor, heard_s in self._heard_s.items():
            for event_id in [each for each, at_s in heard_s.items() if now_s - at_s > SILENCE_S]:
                heard_s[event_id] = now_s  # where ZoneMinder is away: tried again so much later
                self._over(monitor, event_id, "of which no more was told")

    def _take(self, monitor: str, event: Mapping[str, Any]) -> None:
        begin = datetime.fromisoformat(event["start"]).astimezone()
        seen = begin + timedelta(seconds=event["duration_s"])
        if event["phase"] != "end":
            if self._utc_s() - seen.timestamp() < FRESH_S:
                self._going_on(monitor, event, _line(event, begin, None))
            return
        if event["evidence"] is None:
            self._over(monitor, event["event_id"], "is over")
        recordings = self._zoneminder.recorded(monitor, begin, seen)
        for recording in recordings:
            self._zoneminder.note(recording, event["event_id"], _line(event, begin, seen))
        if not recordings:
            _log.warning("%s: nothing is recorded of %s", event["camera"], event["event_id"])

    def _going_on(self, monitor: str, event: Mapping[str, Any], line: str) -> None:
        if self._utc_s() < self._not_before_s.get(monitor, 0.0):
            return
        camera, event_id = event["camera"], event["event_id"]
        recording = self._zoneminder.raise_alarm(monitor)
        if recording is None:  # the event's next update, in 5 s, is another chance
            _log.warning("%s: ZoneMinder raises no alarm; does it see the camera?", camera)
            self._not_before_s[monitor] = self._utc_s() + PAUSE_S
            return
        heard_s = self._heard_s.setdefault(monitor, {})
        if event_id not in heard_s:
            _log.info("%s: alarm, recording %s, event %s", camera, recording, event_id)
        heard_s[event_id] = self._utc_s()
        self._zoneminder.note(recording, event_id, line)

    def _over(self, monitor: str, event_id: str, why: str) -> None:
        """The alarm goes on as long as another event does."""
        heard_s = self._heard_s.get(monitor, {})
        if not heard_s.keys() - {event_id}:
            self._zoneminder.cancel_alarm(monitor)  # of the hook before this one, perhaps
        if heard_s.pop(event_id, None) is not None:
            state = "goes on" if heard_s else "off"
            _log.info("monitor %s: alarm %s, event %s %s", monitor, state, event_id, why)


def _line(event: Mapping[str, Any], begin: datetime, end: datetime | None) -> str:
    what = f"{event['label']} {event['peak']['p']:.0%}"
    until = "" if end is None else f" to {end:%H:%M:%S}"
    return f"{what}, {begin:%H:%M:%S}{until}, rule {event['rule']}, {event['severity']}"


class Hook(ThreadingHTTPServer):
    """Where Gesta posts to."""

    daemon_threads = True

    def __init__(self, port: int, key: bytes, alarms: Alarms) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self._key = key
        self._alarms = alarms
        self._done: deque[str] = deque(maxlen=1000)  # keys of posts
        self._lock = threading.Lock()

    def take(self, headers: Mapping[str, str], body: bytes) -> None:
        """A post. Raises RefusedError or ZoneMinderError."""
        check_signature(headers, body, self._key, time.time())
        with self._lock:
            if headers["webhook-id"] not in self._done:
                self._alarms.take(json.loads(body))
                self._done.append(headers["webhook-id"])

    def service_actions(self) -> None:
        """Called by `serve_forever` between two looks for posts."""
        with self._lock:
            try:
                self._alarms.expire()
            except ZoneMinderError as error:
                _log.warning("%s; tried again later", error)


class _Handler(BaseHTTPRequestHandler):
    server: Hook
    timeout = 10  # s, of silence

    def do_POST(self) -> None:
        length = self.headers.get("content-length", "")
        if not (re.fullmatch(r"\d{1,9}", length) and int(length) <= LARGEST_BYTES):
            self._answer(413)
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self.server.take(headers, self.rfile.read(int(length)))
        except RefusedError as error:
            _log.warning("a post was refused: %s", error)
            self._answer(401)
        except ZoneMinderError as error:
            _log.warning("%s; Gesta tells it again", error)
            self._answer(502)
        else:
            self._answer(204)

    def _answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """What is worth a line has one."""


def main() -> int:
    """Serves until it is stopped."""
    words = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    words.add_argument("zoneminder", help="its URL, as a browser has it: http://127.0.0.1/zm")
    words.add_argument("--port", default=9080, type=int, help="to listen on, on loopback")
    given = words.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    secret = os.environ.get("GESTA_WEBHOOK_SECRET", "")
    encoded = secret.removeprefix("whsec_")
    try:
        key = secret.encode() if encoded == secret else base64.b64decode(encoded, validate=True)
    except ValueError:
        key = b""
    if not key:
        _log.error("GESTA_WEBHOOK_SECRET must hold the webhook's secret: it is empty, or no base64")
        return 2
    user, password = os.environ.get("ZM_USER"), os.environ.get("ZM_PASSWORD")
    alarms = Alarms(ZoneMinder(given.zoneminder, user, password))
    with Hook(given.port, key, alarms) as hook:
        _log.info("listening on 127.0.0.1:%d", hook.server_port)
        with contextlib.suppress(KeyboardInterrupt):
            hook.serve_forever(poll_interval=1.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
