import re

import pytest

from stream.operations.address import Address


@pytest.mark.parametrize(
    ("text", "shown", "is_loopback"),
    [
        ("127.0.0.1:9599", "127.0.0.1:9599", True),
        ("localhost:0", "127.0.0.1:0", True),
        ("[::1]:9599", "[::1]:9599", True),
        ("0.0.0.0:9599", "0.0.0.0:9599", False),
        ("192.168.1.7:65535", "192.168.1.7:65535", False),
        ("[::]:9599", "[::]:9599", False),
    ],
)
def test_who_could_reach_it(text: str, shown: str, is_loopback: bool) -> None:
    address = Address.parse(text)
    assert (str(address), address.is_loopback) == (shown, is_loopback)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no port"),
        ("9599", "is no IP address"),
        ("127.0.0.1", "has no port"),
        ("127.0.0.1:", "has no port"),
        ("127.0.0.1:65536", "has no port"),
        ("127.0.0.1:-1", "has no port"),
        ("127.0.0.1:٣", "has no port"),
        ("gateway.example:9599", '"gateway.example" is no IP address'),
        ("http://127.0.0.1:9599", "is no IP address"),
        ("*:9599", "or 0.0.0.0:9599 for every one"),
        ("::1:9599", "only an IPv6 address has brackets, as in"),
        ("[127.0.0.1]:9599", "only an IPv6 address has brackets"),
    ],
)
def test_what_is_no_address_gets_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        Address.parse(text)
