"""The image and its compose file: what they promise, as far as it shows without a container."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Any

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from stream.configuration.config import Config, default_store
from stream.configuration.loader import load_config
from stream.operations.address import Address
from stream.operations.pages import Pages
from stream.operations.server import serving
from tests.integration.processes import Process, environment, free_port
from tests.stream.operations.books import Books

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
COMPOSE = (DEPLOY / "compose.yaml").read_text()
STATE = Path("/var/lib/gesta")
TOKEN = "0123456789abcdef"


def stages() -> list[list[tuple[str, str]]]:
    """The Dockerfile's instructions, stage by stage, each with what follows it on its lines."""
    text = re.sub(r"^\s*#.*\n", "", (DEPLOY / "Dockerfile").read_text(), flags=re.MULTILINE)
    found: list[list[tuple[str, str]]] = []
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if line:
            word, _, rest = line.partition(" ")
            if word == "FROM":
                found.append([])
            found[-1].append((word, rest))
    return found


def said(word: str) -> list[str]:
    """What the image's own stage, the last one, says with an instruction."""
    return [rest for each, rest in stages()[-1] if each == word]


def variables() -> dict[str, str]:
    return dict(pair.split("=", 1) for rest in said("ENV") for pair in rest.split())


def service(text: str = COMPOSE) -> dict[str, Any]:
    (only,) = yaml.safe_load(text)["services"].values()
    assert isinstance(only, dict)
    return only


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    """The configuration to begin with, with this test's folders in the place of the container's."""
    (tmp_path / "token").write_text(TOKEN + "\n")
    text = (DEPLOY / "container.toml").read_text()
    for place in ("/run/secrets", str(STATE)):
        assert place in text
        text = text.replace(place, str(tmp_path))
    path = tmp_path / "gesta.toml"
    path.write_text(text)
    return path


@pytest.fixture
def config(config_file: Path) -> Config:
    return load_config(config_file)


class TestImage:
    def test_it_runs_as_nobody_else(self) -> None:
        (user,) = said("USER")
        number, _, group = user.partition(":")
        assert int(number) > 0 < int(group)
        (setup,) = said("RUN")
        assert f"useradd --uid {number} " in setup
        assert f"groupadd --gid {group} " in setup
        words = [word for word, _ in stages()[-1]]
        assert words.index("RUN") < words.index("USER") < words.index("ENTRYPOINT")

    def test_it_holds_no_more_than_the_daemon_needs(self) -> None:
        (setup,) = said("RUN")
        packages = re.search(r"install --yes --no-install-recommends ([^&]*)", setup)
        assert packages is not None
        assert set(packages[1].split()) == {"ca-certificates", "python3"}
        assert all(rest.startswith("--from=") for rest in said("COPY"))
        assert "--without-pip /opt/gesta/.venv" in str(stages()[0])

    def test_every_library_is_pinned(self) -> None:
        """Those that the libraries need themselves, too."""
        libraries = stages()[0]
        assert ("COPY", "pyproject.toml deploy/constraints.txt /src/") in libraries
        assert "PIP_CONSTRAINT=/src/constraints.txt" in dict(libraries)["ENV"]
        pinned = {
            canonicalize_name(Requirement(line).name)
            for line in (DEPLOY / "constraints.txt").read_text().splitlines()
            if "==" in line
        }
        project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        wanted = [Requirement(line) for line in project["dependencies"]]
        needed = set[str]()
        while wanted:
            requirement = wanted.pop()
            name = canonicalize_name(requirement.name)
            if name not in needed and (requirement.marker is None or requirement.marker.evaluate()):
                needed.add(name)
                wanted += [Requirement(line) for line in requires(name) or ()]
        assert needed <= pinned
        assert "torch" not in needed

    def test_only_what_is_installed_is_sent_to_the_build(self) -> None:
        first, *rest = [
            line
            for line in (ROOT / ".dockerignore").read_text().splitlines()
            if line and not line.startswith("#")
        ]
        assert first == "*"
        allowed = {line.removeprefix("!") for line in rest if line.startswith("!")}
        sources = {"engine", "stream", "training"}
        files = {"LICENSE", "README.md", "pyproject.toml", "deploy/constraints.txt"}
        assert allowed == sources | files
        assert all((ROOT / path).exists() for path in allowed)

    def test_no_secret_is_built_in(self) -> None:
        assert not [word for stage in stages() for word, _ in stage if word in ("ARG", "ADD")]
        assert set(variables()) == {"PATH", "STATE_DIRECTORY", "GESTA_CACHE"}
        assert "environment" not in service()

    def test_what_it_keeps_lies_in_its_one_volume(self) -> None:
        given = variables()
        assert default_store(given).parent == STATE
        assert STATE in Path(given["GESTA_CACHE"]).parents

    def test_it_is_stopped_and_started_as_the_daemon_expects(self) -> None:
        assert said("STOPSIGNAL") == ["SIGTERM"]
        assert [json.loads(rest) for rest in said("ENTRYPOINT")] == [["gesta"]]
        assert [json.loads(rest) for rest in said("CMD")] == [
            ["run", "--config", "/etc/gesta/gesta.toml"]
        ]


class TestCompose:
    def test_it_takes_away_what_the_daemon_can_do_without(self) -> None:
        given = service()
        assert given["read_only"] is True
        assert given["cap_drop"] == ["ALL"]
        assert given["security_opt"] == ["no-new-privileges:true"]
        assert [mount.partition(":")[0] for mount in given["tmpfs"]] == ["/tmp"]
        assert not {"privileged", "cap_add", "network_mode", "pid", "user"} & set(given)

    def test_it_mounts_folders_and_only_the_state_to_be_written(self) -> None:
        mounts = {target: rest for rest, target in map(_mount, service()["volumes"])}
        assert mounts == {
            str(STATE): ("state", ""),
            "/etc/gesta": ("./config", "ro"),
            "/run/secrets": ("./secrets", "ro"),
        }
        assert "state" in yaml.safe_load(COMPOSE)["volumes"]

    def test_its_ports_are_for_this_machine_alone(self, config: Config) -> None:
        assert config.http is not None
        numbers = {config.publish.bind.rpartition(":")[2], config.http.bind.rpartition(":")[2]}
        assert {port.rpartition(":")[2] for port in service()["ports"]} == numbers
        assert all(port.startswith("127.0.0.1:") for port in service()["ports"])
        assert set(said("EXPOSE")[0].split()) == numbers

    def test_a_webcam_is_two_lines_away(self) -> None:
        given = service(re.sub(r"# ((devices|group_add): )", r"\1", COMPOSE))
        assert given["devices"] == ["/dev/video0"]
        assert given["group_add"] == ["44"]

    def test_whoever_reaches_the_daemon_needs_a_key_or_the_token(self, config: Config) -> None:
        assert config.publish.keys is not None
        assert config.publish.insecure is False
        assert config.http is not None
        assert config.http.token == TOKEN
        assert TOKEN in config.secrets
        assert config.node != Config().node


def _mount(text: str) -> tuple[tuple[str, str], str]:
    source, target, *mode = text.split(":")
    return (source, "".join(mode)), target


def health(port: int) -> int:
    """The exit code of the image's health check, asking at this port."""
    _, _, command = said("HEALTHCHECK")[0].partition("CMD ")
    python, *words = json.loads(command)
    assert python == "python"
    asked = [word.replace("9599", str(port)) for word in words]
    assert asked != words
    return subprocess.run(
        [sys.executable, *asked], capture_output=True, timeout=60, check=False
    ).returncode


class TestHealth:
    @pytest.fixture
    def books(self) -> Books:
        return Books()

    @pytest.fixture
    def port(self, books: Books) -> Iterator[int]:
        pages = Pages(books.ledger, token=TOKEN, metrics=lambda snapshot: b"", metrics_type="")
        with serving(Address.parse("127.0.0.1:0"), pages.to) as address:
            yield address.port

    def test_it_asks_where_the_daemon_answers(self, config: Config) -> None:
        assert config.http is not None
        assert Address.parse(config.http.bind).port == 9599

    def test_well_while_the_engine_is_opened_and_without_the_token(
        self, books: Books, port: int
    ) -> None:
        books.ledger.phase = "opening"
        assert health(port) == 0

    def test_ill_while_the_main_thread_stands_still(self, books: Books, port: int) -> None:
        books.now_ns += 60 * 10**9
        assert health(port) != 0

    def test_ill_where_nobody_answers(self) -> None:
        assert health(free_port()) != 0

    @pytest.mark.integration
    def test_of_a_daemon_with_the_configuration_to_begin_with(
        self, config_file: Path, tmp_path: Path
    ) -> None:
        port = free_port()
        text = config_file.read_text().replace(":9599", f":{port}")
        config_file.write_text(text.replace(":5599", f":{free_port()}"))
        state = {"STATE_DIRECTORY": str(tmp_path), "GESTA_CACHE": str(tmp_path / "cache")}
        with Process("run", "--config", config_file, env={**environment(), **state}) as daemon:
            end_s = time.monotonic() + 90
            while (code := health(port)) != 0 and daemon.running and time.monotonic() < end_s:
                time.sleep(0.2)
            assert code == 0, daemon.stderr
            os.kill(daemon.pid, signal.SIGSTOP)
            assert health(port) != 0
            os.kill(daemon.pid, signal.SIGCONT)
            assert health(port) == 0
            assert (tmp_path / "keys" / "server.key").exists()
            assert daemon.stop(timeout_s=30) == 0
