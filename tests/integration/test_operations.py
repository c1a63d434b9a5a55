"""A real daemon as its operators see it: scraped, probed, abused, and watched over by systemd."""

from __future__ import annotations

import contextlib
import http.client
import json
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.processes import Daemon, environment, free_port, gesta

TOKEN = "a-token-of-some-32-characters-0123"
SOON_S = 60.0


class Operator:
    """Asks the daemon's HTTP side."""

    def __init__(self, port: int) -> None:
        self.port = port

    def get(
        self, path: str, token: str | None = None, method: str = "GET"
    ) -> tuple[int, str, http.client.HTTPMessage]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        try:
            connection.request(method, path, headers=headers)
            answer = connection.getresponse()
            return answer.status, answer.read().decode(), answer.headers
        finally:
            connection.close()

    def status(self, path: str, token: str | None = None) -> int | None:
        """None where nobody answers."""
        try:
            return self.get(path, token)[0]
        except OSError:
            return None

    def metrics(self, token: str | None = None) -> dict[str, float]:
        """Each sample as `name{label="value"}`, the labels in alphabetical order."""
        status, text, _ = self.get("/metrics", token)
        assert status == 200, text
        samples = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                labels = ",".join(f'{k}="{v}"' for k, v in sorted(sample.labels.items()))
                samples[sample.name + (f"{{{labels}}}" if labels else "")] = sample.value
        return samples

    def connection(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)


def wait_until(condition: Callable[[], object], what: str, daemon: Daemon) -> None:
    deadline_s = time.monotonic() + SOON_S
    while not condition():
        assert daemon.running, daemon.stderr
        assert time.monotonic() < deadline_s, f"no {what} within {SOON_S} s:\n{daemon.stderr}"
        time.sleep(0.1)


@pytest.fixture
def operator() -> Operator:
    return Operator(free_port())


@pytest.fixture
def config(tmp_path: Path, operator: Operator) -> Path:
    file = tmp_path / "gesta.toml"
    labels = [f"class_{number}" for number in range(6)]
    file.write_text(
        f'[http]\nbind = "127.0.0.1:{operator.port}"\n'
        f'[events]\nstore = "{tmp_path / "events.sqlite"}"\n'
        f'[[rule]]\nname = "anything"\nlabels = {labels}\nenter = 0.99\n'
    )
    return file


@pytest.fixture
def daemon(light_bundle: Path, config: Path, operator: Operator) -> Iterator[Daemon]:
    """One that watches a scene."""
    with Daemon("scene:", "--config", config, "--bundle", light_bundle) as running:
        wait_until(lambda: operator.status("/readyz") == 200, "readiness", running)
        yield running


def test_a_daemon_is_scraped(daemon: Daemon, operator: Operator) -> None:
    begun = 'gesta_events_total{phase="start",rule="anything"}'
    wait_until(lambda: operator.metrics()[begun] == 1, "event", daemon)
    before = operator.metrics()
    assert before["gesta_open_events"] == 1
    assert before["gesta_unstored_event_changes"] == 0
    assert before['gesta_camera_state{camera="cam0",state="live"}'] == 1
    assert before["gesta_bundle_predictions_per_second"] == 5.0
    assert before["gesta_resident_memory_bytes"] > 50e6
    assert any(name.startswith('gesta_build_info{bundle="light"') for name in before)

    published = 'gesta_predictions_total{camera="cam0"}'
    wait_until(lambda: operator.metrics()[published] > before[published] + 5, "news", daemon)
    after = operator.metrics()
    assert after["gesta_uptime_seconds"] > before["gesta_uptime_seconds"]
    assert all(after[name] >= value for name, value in before.items() if "_total{" in name)
    count = after['gesta_capture_to_publish_seconds_count{camera="cam0"}']
    assert count == after[published]
    assert 0 < after['gesta_capture_to_publish_seconds_sum{camera="cam0"}'] / count < 5
    heard = daemon.messages.of("prediction", "cam0")
    assert heard[-1]["seq"] + 1 >= after[published]

    status, text, headers = operator.get("/metrics", method="HEAD")
    assert (status, text) == (200, "")
    assert headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert [operator.status(f"/{page}") for page in ("livez", "startupz")] == [200, 200]
    assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0
    assert operator.status("/livez") is None


def test_promtool_has_nothing_against_its_metrics(daemon: Daemon, operator: Operator) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    _, text, _ = operator.get("/metrics")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=text, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_a_camera_that_is_away_makes_it_unready_and_with_a_token_nobody_else_hears_of_it(
    light_bundle: Path, config: Path, operator: Operator
) -> None:
    nobody = f"rtsp://user:hunter2@127.0.0.1:{free_port()}/cam"
    text = config.read_text().replace("[events]", 'token = "${GESTA_TOKEN}"\n[events]')
    config.write_text(text)
    env = {**environment(), "GESTA_TOKEN": TOKEN}
    given = ("scene:", nobody, "--config", config, "--bundle", light_bundle)
    with Daemon(*given, "-v", "--log-format", "json", env=env) as daemon:
        daemon.status("offline", "REFUSED", camera="cam1", timeout_s=SOON_S)
        daemon.status("live", camera="cam0", timeout_s=SOON_S)
        status, text, _ = operator.get("/readyz", TOKEN)
        assert status == 503
        assert text.startswith("cam1: ")
        assert "cam0" not in text
        assert "hunter2" not in text
        assert operator.metrics(TOKEN)['gesta_camera_state{camera="cam0",state="live"}'] == 1
        for token in (None, "wrong", TOKEN[:-1]):
            for page in ("/readyz", "/metrics"):
                status, text, headers = operator.get(page, token)
                assert (status, headers["WWW-Authenticate"]) == (401, 'Bearer realm="gesta"')
                assert "cam1" not in text
        assert operator.get("/livez")[:2] == (200, "OK\n")
        assert operator.get("/startupz")[:2] == (200, "OK\n")
        assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0
    entries = [json.loads(line) for line in daemon.stderr.splitlines()]
    assert all({"time", "level", "logger", "message"} <= entry.keys() for entry in entries)
    assert any("watches cam0, cam1" in entry["message"] for entry in entries)
    assert TOKEN not in daemon.stderr
    assert "hunter2" not in daemon.stderr


def test_whatever_clients_do_the_daemon_goes_on(daemon: Daemon, operator: Operator) -> None:
    before = len(daemon.messages.of("prediction"))
    slow = [operator.connection() for _ in range(40)]  # more than it takes
    try:
        for each in slow[:20]:
            each.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
        for words in (b"\x00" * 100_000, b"BREW / HTCPCP/1.0\r\n\r\n", b"GET " + b"/" * 100_000):
            # It may hang up before it has heard all of it.
            with operator.connection() as client, contextlib.suppress(OSError):
                client.sendall(words)
        daemon.predictions(before + 10)
        began_s = time.monotonic()
        # Those that only wait lose their places after a while, and others are heard again.
        wait_until(lambda: operator.status("/livez") == 200, "answer", daemon)
        assert time.monotonic() - began_s < 30
    finally:
        for each in slow:
            each.close()
    for _ in range(200):
        assert operator.status("/metrics") in (200, None)
    wait_until(lambda: operator.status("/readyz") == 200, "readiness", daemon)
    beats = daemon.messages.of("heartbeat")
    assert [beat["seq"] for beat in beats] == list(range(beats[0]["seq"], beats[-1]["seq"] + 1))
    assert "Traceback" not in daemon.stderr
    assert daemon.stop(signal.SIGTERM, timeout_s=30) == 0


def test_systemd_hears_of_its_whole_life(light_bundle: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(SOON_S)
        watched = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        heard: list[str] = []

        def hear(text: str, count: int = 1) -> None:
            while heard.count(text) < count:
                heard.append(manager.recv(4096).decode())

        env = {**environment(), **watched}
        with Daemon("scene:", "--bundle", light_bundle, env=env) as daemon:
            hear("STATUS=opening the engine")
            hear("READY=1")
            assert "WATCHDOG=1" not in heard
            hear("STATUS=1 of 1 cameras live")
            hear("WATCHDOG=1", 4)
            daemon.popen.send_signal(signal.SIGTERM)
            hear("STOPPING=1")
            assert daemon.wait(30) == 0


def test_a_port_that_is_taken_ends_it_with_a_sentence(
    light_bundle: Path, config: Path, operator: Operator
) -> None:
    with socket.create_server(("127.0.0.1", operator.port)):
        done = gesta("run", "scene:", "--config", config, "--bundle", light_bundle)
    assert done.returncode == 5
    assert f"http.bind: 127.0.0.1:{operator.port} is in use" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_address_for_everybody_wants_a_token(light_bundle: Path, config: Path) -> None:
    config.write_text(config.read_text().replace("127.0.0.1", "0.0.0.0"))
    done = gesta("run", "scene:", "--config", config, "--bundle", light_bundle)
    assert done.returncode == 2
    assert "could be reached by anyone on the network; set http.token" in done.stderr
