import socket

import pytest

from stream.errors import PublishError
from stream.messaging.endpoint import check_binding


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://127.0.0.1:5599", "tcp://127.8.8.8:*", "tcp://[::1]:5599", "tcp://localhost:5599",
        "ipc:///tmp/gesta-test-that-is-not-there.sock",
    ],
)  # fmt: skip
def test_what_only_this_machine_reaches_is_allowed(endpoint):
    check_binding(endpoint, insecure=False)


@pytest.mark.parametrize(
    "endpoint", ["tcp://*:5599", "tcp://0.0.0.0:5599", "tcp://192.168.1.2:5599", "tcp://[::]:5599",
                 "tcp://eth0:5599", "tcp://camera.example:5599"],
)  # fmt: skip
def test_what_others_could_reach_needs_insecure(endpoint):
    with pytest.raises(PublishError, match="--insecure") as caught:
        check_binding(endpoint, insecure=False)
    assert caught.value.exit_code == 5
    check_binding(endpoint, insecure=True)


@pytest.mark.parametrize(
    "endpoint", ["", "5599", "127.0.0.1:5599", "tcp://", "tcp://127.0.0.1", "tcp://127.0.0.1:no",
                 "tcp://127.0.0.1:70000", "http://127.0.0.1:5599", "ipc://"],
)  # fmt: skip
def test_what_is_no_endpoint_gets_an_example(endpoint):
    with pytest.raises(PublishError, match=r"tcp://127\.0\.0\.1:5599"):
        check_binding(endpoint, insecure=True)


def test_a_file_in_the_way_is_kept(tmp_path):
    precious = tmp_path / "notes.txt"
    precious.write_text("keep me")
    with pytest.raises(PublishError, match="is no socket"):
        check_binding(f"ipc://{precious}", insecure=False)
    assert precious.read_text() == "keep me"


def test_a_living_socket_is_in_use_and_a_dead_one_is_not(tmp_path):
    path = tmp_path / "gesta.sock"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen(1)
        with pytest.raises(PublishError, match="in use"):
            check_binding(f"ipc://{path}", insecure=False)
    check_binding(f"ipc://{path}", insecure=False)  # left behind: to be taken over
