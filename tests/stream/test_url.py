from __future__ import annotations

import ipaddress
import string
from contextlib import suppress
from itertools import product
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream.url import mask, mask_text, parse

ADDRESSES = ["10.0.0.5", "10.0.0.5:8554", "[fe80::1]", "[::1]:8554"]
NAMES = ["camera.example", "camera", "camera:8554", "localhost"]
RAW = ["p@ss", "a:b", "a/b", "a#b", "100%", "p@ss:w/o#r%d", "#1#@/x", "%zz", "x@10.9", "p?ss",
       "p@ss:w/rd#50%?&+ \u00e4", "??", "a?b/c", "12/x"]  # fmt: skip


@pytest.mark.parametrize(
    ("password", "host"),
    [*product(RAW, ADDRESSES), *product(RAW[:-1], NAMES), *product(["p@ss/w@rd"], ADDRESSES)],
)
def test_a_password_may_be_given_raw_or_encoded(password: str, host: str) -> None:
    for given_password in (password, quote(password, safe="")):
        url = parse(f"rtsp://admin:{given_password}@{host}/stream2?profile=1")
        assert (url.user, url.password) == ("admin", password)
        assert url.address == host
        assert url.path == "/stream2?profile=1"
        assert url.full == f"rtsp://admin:{quote(password, safe='')}@{host}/stream2?profile=1"
        assert url.masked == f"rtsp://admin:***@{host}/stream2?profile=1"
        assert password not in repr(url)
        assert password not in str(url)


@given(st.text(string.ascii_letters + string.digits + "-._~!$&'()*+,;=:@%", min_size=1))
def test_any_encoded_password_comes_through(password: str) -> None:
    url = parse(f"rtsp://u:{quote(password, safe='')}@camera.example/x")
    assert (url.password, url.host, url.path) == (password, "camera.example", "/x")


@pytest.mark.parametrize("host", NAMES)
@pytest.mark.parametrize("password", ["p@ss/w@rd", "@10.9/x", "p@c.example/1", "x@y:1/", "p@s?/"])
def test_a_password_that_may_hold_the_host_is_refused(password: str, host: str) -> None:
    with pytest.raises(ValueError, match=r"more than one way; percent-encode .*@ as %40"):
        parse(f"rtsp://admin:{password}@{host}/stream2")
    url = parse(f"rtsp://admin:{quote(password, safe='')}@{host}/stream2")
    assert (url.password, url.address) == (password, host)


PIECES = st.sampled_from(
    [*".@/:?#[].%", "p", "ss", "a.b", "12", "10.0.0.5", "[::1]", " ", "\u00e4"]
)
RAW_TEXT = st.lists(PIECES, max_size=9).map("".join)


@given(
    st.sampled_from(["u", "admin", "john.doe", "10.9", ""]),
    RAW_TEXT,
    st.sampled_from([*ADDRESSES, *NAMES, "bad host", "", "h:99999999", "[::1"]),
    st.sampled_from(["", "/", "?", "#"]),
    RAW_TEXT,
)
def test_no_piece_of_a_password_is_ever_looked_up(
    user: str, password: str, host: str, mark: str, rest: str
) -> None:
    """Whatever is meant: it is refused, or an address, or stands behind the password."""
    text = f"rtsp://{user}:{password}@{host}{mark}{rest if mark else ''}"
    try:
        url = parse(text)
    except ValueError:
        return
    with suppress(ValueError):
        ipaddress.ip_address(url.host)
        return
    before_host = len(f"rtsp://{user}:{password}@")
    assert len(text) - len(url.path) - len(url.address) >= before_host


@pytest.mark.parametrize(
    ("text", "user", "host", "port", "path"),
    [
        ("rtsp://host/path@x", None, "host", None, "/path@x"),
        ("http://10.0.0.5:8080/path@x.y", None, "10.0.0.5", 8080, "/path@x.y"),
        ("http://host/?mail=a@b.c", None, "host", None, "/?mail=a@b.c"),
        ("RTSP://user@host", "user", "host", None, ""),
        ("rtsp://u:p@10.0.0.5/a@b", "u", "10.0.0.5", None, "/a@b"),
        ("http://u:p@10.0.0.5/?url=rtsp://x:y@10.0.0.6/1", "u", "10.0.0.5", None,
         "/?url=rtsp://x:y@10.0.0.6/1"),
        ("rtsp://u:p@camera/a%40b", "u", "camera", None, "/a%40b"),
        ("rtsp://[2001:db8::1]:554/1", None, "2001:db8::1", 554, "/1"),
    ],
)  # fmt: skip
def test_an_at_sign_elsewhere_is_no_separator(
    text: str, user: str | None, host: str, port: int | None, path: str
) -> None:
    url = parse(text)
    assert (url.user, url.host, url.port, url.path) == (user, host, port, path)


@pytest.mark.parametrize(
    "text",
    [
        "http://host:8080/path@x.y",
        "rtsp://u:p@camera/a@b",
        "rtsp://u:p@camera/x?mail=a@b.c",
        "rtsp://u:p@ss/x@no host/1",
        "http://gateway:8080/rtsp://x:y@10.0.0.6/1",
        "http://u:p@gateway/?url=rtsp://x:y@10.0.0.6/1",
    ],
)
def test_an_at_sign_that_may_be_a_separator_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="more than one way"):
        parse(text)


@pytest.mark.parametrize("text", ["rtsp://", "rtsp://:554/x", "rtsp://u:secret@/x", "http:///x"])
def test_a_url_without_a_host_is_refused_without_its_secret(text: str) -> None:
    with pytest.raises(ValueError, match="no usable host") as refused:
        parse(text)
    assert "secret" not in str(refused.value)
    assert "secret" not in mask(text)


def test_a_port_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="70000"):
        parse("rtsp://host:70000/")


@pytest.mark.parametrize(
    ("doubtful", "shown"),
    [
        ("rtsp://u:p@ss/w@rd@camera/1", "rtsp://***"),
        ("rtsp://u:12/secret@camera/1", "rtsp://***"),
        ("rtsp://u:p@10.0.0.5/secret@camera/1", "rtsp://***@camera/1"),
    ],
)
def test_what_may_be_a_piece_of_a_password_is_never_shown(doubtful: str, shown: str) -> None:
    assert mask(doubtful) == shown


@pytest.mark.parametrize(
    "name", ["password", "pwd", "pass", "token", "access_token", "key", "api_key", "auth", "PWD"]
)
def test_secrets_of_the_query_are_masked(name: str) -> None:
    shown = mask(f"http://host/mjpeg?channel=1&{name}=s3cret&fps=5")
    assert shown == f"http://host/mjpeg?channel=1&{name}=***&fps=5"


def test_paths_and_devices_are_shown_as_they_are() -> None:
    for text in ("/dev/video0", "clip.mp4", "scene:?seed=1&size=64x48", "webcam:0"):
        assert mask(text) == text


def test_foreign_texts_are_masked() -> None:
    text = "[rtsp] error on 'rtsp://admin:p@ss@10.0.0.5/1': see http://h/?token=abc&b=2."
    assert mask_text(text) == (
        "[rtsp] error on 'rtsp://admin:***@10.0.0.5/1': see http://h/?token=***&b=2."
    )
    assert mask_text("login with hunter2 failed", ["hunter2"]) == "login with *** failed"
    assert mask_text("a 1 is no secret", ["1"]) == "a 1 is no secret"


@pytest.mark.parametrize(
    "shown",
    ["rtsp:***@camera/1", "rtsp//user:***@camera/1", "user:***@camera/1"],
)
def test_mistyped_urls_are_masked_too(shown: str) -> None:
    typed = shown.replace("rtsp:***", "rtsp:/user:s3cret").replace("***", "s3cret")
    assert mask(typed) == shown
    assert mask_text(f"there is no file {typed}") == f"there is no file {shown}"


def test_secrets_in_the_path_are_masked() -> None:
    shown = mask("rtsp://10.0.0.5:554/user=admin_password=s3_cret_channel=1_stream=0.sdp")
    assert shown == "rtsp://10.0.0.5:554/user=***_password=***_channel=1_stream=0.sdp"
    shown = mask("rtsp://10.0.0.5:554/user=admin_password=s3@cr_channel=1.sdp")
    assert shown == "rtsp://10.0.0.5:554/user=***_password=***_channel=1.sdp"
    assert mask("rtsp://camera/live;pwd=s3cret") == "rtsp://camera/live;pwd=***"


def test_words_about_urls_are_left_alone() -> None:
    text = "use rtsp://, rtsps://, https:// or a file, and tcp://127.0.0.1:5599 to publish"
    assert mask_text(text) == text
