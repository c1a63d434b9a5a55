"""Changes of events as HTTP posts, to a real receiver."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import logging
import shutil
import ssl
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from stream.errors import ConfigError
from stream.events.courier import DeliveryError
from stream.events.receivers import WebhookConfig
from stream.events.webhook import Webhook
from tests.stream.events.certificates import Authority
from tests.stream.events.test_store import event


class Receiver(ThreadingHTTPServer):
    """Keeps every post; answers with `status`, or not at all."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.posts: list[tuple[str, dict[str, str], bytes]] = []
        self.accepted: list[bytes] = []
        self.status = 204
        self.endless = False
        self.drips = False
        self.gave_up = threading.Event()
        self.answers = threading.Event()
        self.answers.set()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers["content-length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # who posted it was killed meanwhile
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.posts.append((self.path, headers, body))
        self.server.answers.wait(20)
        if self.server.drips:
            self._drip()
            return
        status = self.server.status  # read once: what counts as accepted is what is answered
        if 200 <= status < 300:
            self.server.accepted.append(body)
        self.send_response(status)
        if status == 302:
            self.send_header("location", "/elsewhere")
        self.end_headers()
        if self.server.endless:
            try:
                while True:
                    self.wfile.write(bytes(65536))
            except OSError:
                self.server.gave_up.set()

    def _drip(self) -> None:
        """A good answer whose headers take five seconds."""
        self.wfile.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
        try:
            for _ in range(250):
                time.sleep(0.02)
                self.wfile.write(b".")
        except OSError:
            self.server.gave_up.set()

    def log_message(self, *given: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.answers.set()
    receiver.shutdown()
    receiver.server_close()


def webhook(url: str, **given: object) -> Webhook:
    config = WebhookConfig(name="vms", url=url, **given)  # type: ignore[arg-type]
    return Webhook(config, node="box", utc_s=lambda: 1_800_000_000.7)


def test_a_change_is_posted_with_its_key_and_signature(receiver: Receiver) -> None:
    sink, change = webhook(f"http://{receiver.address}/hook?site=1", secret="shh"), event()
    sink.tell(7, change.updated())
    sink.close()
    ((path, headers, body),) = receiver.posts
    assert path == "/hook?site=1"
    posted = json.loads(body)
    assert (posted["event_id"], posted["revision"], posted["sequence"]) == (change.event_id, 1, 7)
    assert (posted["site"], posted["node"], posted["camera"]) == ("home", "box", "hall")
    assert posted["start"] == "2027-01-15T08:00:00.000000Z"
    assert headers["content-type"] == "application/json"
    key = f"{change.event_id}-1"
    assert headers["webhook-id"] == headers["idempotency-key"] == key
    assert headers["webhook-timestamp"] == "1800000000"
    signed = f"{key}.1800000000.".encode() + body
    expected = base64.b64encode(hmac.digest(b"shh", signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_without_a_secret_nothing_is_signed_and_a_password_travels_as_such(
    receiver: Receiver,
) -> None:
    sink = webhook(f"http://me:p%40ss@{receiver.address}/hook")
    sink.tell(1, event())
    sink.close()
    ((_, headers, _),) = receiver.posts
    assert "webhook-signature" not in headers
    assert headers["authorization"] == "Basic " + base64.b64encode(b"me:p@ss").decode()


@pytest.mark.parametrize("status", [302, 400, 404, 429, 500, 503])
def test_any_other_answer_means_that_it_did_not_arrive(receiver: Receiver, status: int) -> None:
    receiver.status = status
    sink = webhook(f"http://{receiver.address}/secret-path")
    with pytest.raises(DeliveryError, match=f"answers {status}") as failed:
        sink.tell(1, event())
    sink.close()
    assert len(receiver.posts) == 1
    assert "secret-path" not in str(failed.value)


def test_an_answer_without_an_end_is_not_read(receiver: Receiver) -> None:
    receiver.endless = True
    sink = webhook(f"http://{receiver.address}/", timeout_s=2.0)
    before_s = time.monotonic()
    sink.tell(1, event())
    assert time.monotonic() - before_s < 5
    sink.close()
    assert receiver.gave_up.wait(20)


def test_a_secret_may_be_written_as_standard_webhooks_do(receiver: Receiver) -> None:
    secret = "whsec_" + base64.b64encode(b"\x00\xffkey").decode()
    sink = webhook(f"http://{receiver.address}/", secret=secret)
    sink.tell(1, event())
    sink.close()
    ((_, headers, body),) = receiver.posts
    signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    expected = base64.b64encode(hmac.digest(b"\x00\xffkey", signed, hashlib.sha256)).decode()
    assert headers["webhook-signature"] == f"v1,{expected}"


def test_paths_are_in_no_log_however_much_is_logged(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    sink = webhook(f"http://us%E2%82%ACr:p@{receiver.address}/secret-path")
    sink.tell(1, event())
    sink.close()
    assert "secret-path" not in caplog.text
    ((_, headers, _),) = receiver.posts
    assert base64.b64decode(headers["authorization"].split()[1]) == "us€r:p".encode()


def test_who_does_not_answer_is_waited_for_only_so_long(receiver: Receiver) -> None:
    receiver.answers.clear()
    sink = webhook(f"http://{receiver.address}/", timeout_s=0.3)
    with pytest.raises(DeliveryError, match=r"can't be reached \(no answer within 0.3 s\)"):
        sink.tell(1, event())
    sink.close()


@pytest.mark.parametrize("encrypted", [False, True])
def test_an_answer_that_drips_is_cut_off_in_time(
    receiver: Receiver, tmp_path: Path, caplog: pytest.LogCaptureFixture, encrypted: bool
) -> None:
    receiver.drips = True
    given = encrypt(receiver, tmp_path) if encrypted else {}
    host = f"http{'s' if encrypted else ''}://{receiver.address}"
    sink = webhook(f"{host}/secret-path", timeout_s=0.4, **given)
    before_s = time.monotonic()
    with pytest.raises(DeliveryError) as failed:
        sink.tell(1, event())
    assert time.monotonic() - before_s < 3
    assert str(failed.value) == (f"webhook:vms: {host} can't be reached (no answer within 0.4 s)")
    assert receiver.gave_up.wait(20)
    assert "secret-path" not in caplog.text
    sink.close()


def encrypt(receiver: Receiver, folder: Path, *, expired: bool = False) -> dict[str, str]:
    """Has it speak TLS; what a webhook must be given to trust it."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    authority = Authority(folder / "authority")
    its = authority.certificate("vms", expired=expired)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(its.cert, its.key)
    receiver.socket = context.wrap_socket(receiver.socket, server_side=True)
    return {"ca": str(authority.ca)}


def test_nobody_there_is_a_sentence_without_a_secret() -> None:
    sink = webhook("http://me:secret@127.0.0.1:9/token")
    with pytest.raises(DeliveryError) as failed:
        sink.tell(1, event())
    assert "http://127.0.0.1:9 can't be reached (Connection refused)" in str(failed.value)
    assert "secret" not in str(failed.value)
    assert "token" not in str(failed.value)
    sink.close()


@pytest.mark.parametrize("expired", [False, True])
def test_its_certificate_is_checked(receiver: Receiver, tmp_path: Path, expired: bool) -> None:
    trusted = encrypt(receiver, tmp_path, expired=expired)
    sink = webhook(f"https://{receiver.address}/hook", **trusted)
    if expired:
        with pytest.raises(DeliveryError) as failed:
            sink.tell(1, event())
        assert str(failed.value) == (
            f"webhook:vms: https://{receiver.address} can't be reached (its certificate is "
            "refused: certificate has expired)"
        )
    else:
        sink.tell(1, event())
    assert len(receiver.posts) == (0 if expired else 1)
    sink.close()


def test_certificates_that_are_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match=r"/no/such.pem can't be read"):
        webhook("https://127.0.0.1/", ca="/no/such.pem")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "ftp://camera.example/x"}, "webhook[0].url: ftp:// can't be posted to"),
        ({"url": "nothing"}, "webhook[0].url: a network URL starts with its scheme"),
        ({"url": "http://a.example", "secret": ""}, "webhook[0].secret: is empty"),
        ({"url": "http://a.example", "secret": "whsec_?"}, "or no base64 after whsec_"),
        ({"url": "http://a.example", "timeout_s": 0}, "webhook[0].timeout_s"),
        ({"url": "http://a.example", "timeout_s": 1000}, "webhook[0].timeout_s"),
    ],
)
def test_what_is_wrong_is_named(given: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        WebhookConfig(name="vms", **given).check("webhook[0]")  # type: ignore[arg-type]
    assert said in str(refused.value)


def test_no_secret_shows() -> None:
    config = WebhookConfig(name="vms", url="https://me:pass@a.example/token", secret="shh")
    assert repr(config) == "WebhookConfig(name='vms')"
    assert config.host == "https://a.example"
