"""Numbers of things in words."""

from stream.plural import counted


def test_only_one_is_singular() -> None:
    assert [counted(n, "event") for n in (0, 1, 2)] == ["0 events", "1 event", "2 events"]
