"""Who may connect, over real sockets: known clients hear, and all others hear nothing."""

from __future__ import annotations

import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zmq

from stream.cli import main
from stream.errors import ConfigError
from stream.messaging.answers import Answers
from stream.messaging.endpoint import check_binding
from stream.messaging.envelope import Envelope
from stream.messaging.keys import ClientKey, KeyFolder, read_client_key
from stream.messaging.publisher import Publisher
from stream.messaging.subscriber import Subscriber
from tests.stream.messaging.samples_of_messages import meta

SOON_S = 5.0


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    return KeyFolder(tmp_path / "keys")


@pytest.fixture
def new(keys: KeyFolder, tmp_path: Path) -> Callable[[str], ClientKey]:
    def make(name: str) -> ClientKey:
        keys.new(name, tmp_path / f"{name}.key")
        return read_client_key(tmp_path / f"{name}.key")

    return make


@pytest.fixture
def publisher(keys: KeyFolder) -> Iterator[Publisher]:
    publisher = Publisher("tcp://127.0.0.1:*", keys=keys)
    publisher.send(meta(Envelope("home", "box")))
    yield publisher
    publisher.close(orderly=False)


def hears(publisher: Publisher, key: ClientKey | None, within_s: float = SOON_S) -> bool:
    """Whether a new subscriber gets the last meta."""
    subscriber = Subscriber(publisher.endpoint, key=key)
    deadline_s = time.monotonic() + within_s
    try:
        while time.monotonic() < deadline_s:
            publisher.serve()
            if subscriber.receive(0.02) is not None:
                return True
        return False
    finally:
        subscriber.close()


def test_a_known_client_hears(publisher: Publisher, new: Callable[[str], ClientKey]) -> None:
    assert hears(publisher, new("desk"))


def test_all_others_hear_nothing(
    publisher: Publisher, new: Callable[[str], ClientKey], caplog: pytest.LogCaptureFixture
) -> None:
    known = new("desk")
    public, secret = (key.decode() for key in zmq.curve_keypair())
    strangers = {
        "without a key": None,
        "with one of its own": ClientKey(server=known.server, public=public, secret=secret),
        "with the key of another daemon": ClientKey(
            server=public, public=known.public, secret=known.secret
        ),
        "with a known public key but not its secret": ClientKey(
            server=known.server, public=known.public, secret=secret
        ),
    }
    assert {who: hears(publisher, key, 1.0) for who, key in strangers.items()} == dict.fromkeys(
        strangers, False
    )
    assert caplog.text.count("a client with an unknown key was refused") == 1
    assert hears(publisher, known)


def test_whoever_is_revoked_is_refused_at_the_next_connection(
    publisher: Publisher, keys: KeyFolder, new: Callable[[str], ClientKey]
) -> None:
    desk, wall = new("desk"), new("wall")
    assert hears(publisher, desk)
    keys.revoke("desk")
    assert not hears(publisher, desk, 1.0)
    assert hears(publisher, wall)
    assert keys.names() == ["wall"]


def test_answers_are_for_known_clients_too(
    keys: KeyFolder, new: Callable[[str], ClientKey]
) -> None:
    answers = Answers(
        "tcp://127.0.0.1:*", node="box", retained=list, changes=lambda after, limit: [], keys=keys
    )
    found = {
        name: _asked(answers, key) for name, key in {"known": new("desk"), "none": None}.items()
    }
    answers.close()
    assert found == {"known": True, "none": False}


def _asked(answers: Answers, key: ClientKey | None) -> bool:
    with zmq.Context() as context, context.socket(zmq.DEALER) as asking:
        asking.linger = 0
        if key is not None:
            asking.curve_serverkey = key.server.encode()
            asking.curve_publickey = key.public.encode()
            asking.curve_secretkey = key.secret.encode()
        asking.connect(answers.endpoint)
        asking.send_multipart([b"", b'{"get": "snapshot"}'])
        for _ in range(100):
            answers.serve()
            if asking.poll(10):
                return True
    return False


def test_with_keys_others_may_be_let_in() -> None:
    check_binding("tcp://0.0.0.0:5599", insecure=False, guarded=True)


def test_secrets_are_for_their_owner_alone(
    keys: KeyFolder, new: Callable[[str], ClientKey], tmp_path: Path
) -> None:
    key = new("desk")
    for path in (tmp_path / "desk.key", keys.folder / "server.key"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert key.secret not in repr(key)
    assert key.secret not in (keys.folder / "clients" / "desk.pub").read_text()
    assert keys.server() == keys.server()


def test_one_key_that_cant_be_read_shuts_nobody_else_out(
    keys: KeyFolder, new: Callable[[str], ClientKey]
) -> None:
    desk = new("desk")
    (keys.folder / "clients" / "aa.pub").symlink_to("nowhere")
    assert keys.allows(desk.public.encode())
    public = keys.folder / "clients" / "desk.pub"
    assert stat.S_IMODE(public.stat().st_mode) == 0o644  # a daemon of its own user reads it


@pytest.mark.parametrize(
    "text",
    ["", 'public = "x"\n', "public = 1\nsecret = 2\n",
     f'public = "{"x" * 39}"\nsecret = "{"x" * 40}"\n'],
)  # fmt: skip
def test_a_damaged_key_of_the_daemon_is_said(keys: KeyFolder, text: str) -> None:
    keys.folder.mkdir()
    (keys.folder / "server.key").write_text(text)
    with pytest.raises(ConfigError, match="is damaged"):
        keys.server()


def test_a_folder_without_clients_is_no_missing_folder(
    keys: KeyFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "list", "--keys", str(keys.folder)]) == 2
    assert f"there is no folder {keys.folder}" in capsys.readouterr().err
    keys.server()
    assert main(["keys", "list", "--keys", str(keys.folder)]) == 0
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ConfigError, match="there is no key nobody; known are: none"):
        keys.revoke("nobody")


def test_what_is_wrong_gets_a_sentence(keys: KeyFolder, tmp_path: Path) -> None:
    cases: dict[str, Callable[[], Any]] = {
        "may hold only": lambda: keys.new("../x", tmp_path / "x"),
        "is already there": lambda: keys.new("desk", tmp_path),
        "there is no folder .*keys; check --keys": lambda: keys.revoke("nobody"),
        "can't be read": lambda: read_client_key(tmp_path / "none"),
        "can't be written": lambda: keys.new("desk", tmp_path / "no" / "x"),
    }
    for said, call in cases.items():
        with pytest.raises(ConfigError, match=said):
            call()
    keys.new("desk", tmp_path / "desk.key")
    with pytest.raises(ConfigError, match="there is a key desk already"):
        keys.new("desk", tmp_path / "again.key")
    short = 'server = "a"\npublic = "b"\nsecret = "c"\n'
    odd = 'server = "{0}"\npublic = "{0}"\nsecret = "{0}"\n'.format("~" * 40)
    wrong = {
        odd: "is damaged",
        "[": "is no key",
        'server = "a"\n': "is no client's key",
        short: "is damaged",
    }
    for text, said in wrong.items():
        (tmp_path / "wrong.key").write_text(text)
        with pytest.raises(ConfigError, match=said):
            read_client_key(tmp_path / "wrong.key")


def test_the_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "gesta.toml").write_text(
        f'[publish]\nkeys = "{tmp_path / "keys"}"\n[http]\ntoken = "${{NOSUCH}}"\n'
    )
    given = ("--config", "gesta.toml")
    assert main(["keys", "new", "desk", *given]) == 0
    assert "gesta watch ENDPOINT --key desk.key" in capsys.readouterr().out
    assert read_client_key(tmp_path / "desk.key").public
    assert main(["keys", "list", *given]) == 0
    assert capsys.readouterr().out == "desk\n"
    assert main(["keys", "revoke", "desk", *given]) == 0
    assert main(["keys", "revoke", "desk", *given]) == 2
    assert "there is no key desk" in capsys.readouterr().err
