"""When the configuration's file is read again."""

import os
import threading

import pytest

from stream.configuration.loader import load_config
from stream.configuration.reload import LOOK_EVERY_NS, Reload

ONE = '[[camera]]\nname = "hall"\nurl = "scene:"\n'
TWO = ONE + '[[camera]]\nname = "yard"\nurl = "scene:"\n'


class File:
    """A configuration's file, and a clock in the test's hands."""

    def __init__(self, path):
        self.path = path
        self.write(ONE)
        self.asked = threading.Event()
        self.now_ns = 0
        self.reload = Reload(
            path,
            load=lambda: load_config(path),
            config=load_config(path),
            asked=self.asked,
            clock_ns=lambda: self.now_ns,
        )

    def write(self, text):
        self.path.write_text(text)

    def looks(self, times):
        """What it finds at so many looks, a second apart."""
        found = []
        for _ in range(times):
            self.now_ns += LOOK_EVERY_NS
            found.append(self.reload.due())
        return found


@pytest.fixture
def file(tmp_path):
    return File(tmp_path / "gesta.toml")


def names(revision):
    return [camera.name for camera in revision.added]


def test_a_file_that_stays_as_it_is_is_left_alone(file):
    assert file.looks(5) == [None] * 5


def test_a_changed_file_is_read_once_it_has_come_to_rest(file):
    file.write(TWO[:-5])  # an editor in the midst of it
    assert file.looks(1) == [None]
    file.write(TWO)
    first, second, third = file.looks(3)
    assert first is None
    assert names(second) == ["yard"]
    assert third is None


def test_a_file_that_is_replaced_by_another_of_the_same_age_and_size_is_seen(file, tmp_path):
    other = tmp_path / "new"
    other.write_text(ONE.replace("hall", "yard"))
    before = file.path.stat()
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(file.path)
    assert names(file.looks(2)[1]) == ["yard"]


def test_a_file_that_is_gone_for_a_moment_changes_nothing(file):
    file.path.unlink()
    assert file.looks(3) == [None] * 3
    file.write(TWO)
    assert names(file.looks(2)[1]) == ["yard"]


def test_a_file_that_stays_away_is_told_of_once_and_changes_nothing(file, caplog):
    file.path.unlink()
    assert file.looks(1) == [None]
    assert not caplog.messages  # it may be in the midst of being replaced
    assert file.looks(4) == [None] * 4
    assert caplog.messages == [f"{file.path} is gone; what it said goes on until it is back"]
    file.write(TWO)
    assert names(file.looks(3)[1]) == ["yard"]
    file.path.unlink()
    file.looks(3)
    assert len(caplog.messages) == 2


def test_asked_for_it_is_read_at_once(file):
    file.write(TWO)
    file.asked.set()
    revision = file.reload.due()
    assert names(revision) == ["yard"]
    file.reload.accept(revision)
    assert file.looks(3) == [None] * 3
    assert len(file.reload.config.cameras) == 2


def test_the_log_says_what_is_taken(file, caplog):
    caplog.set_level("INFO")
    file.write(ONE + '[[rule]]\nname = "moving"\nlabels = ["walk"]\n')
    file.reload.accept(file.looks(2)[1])
    assert "the new configuration is taken: 1 camera, 1 rule" in caplog.text


def test_a_bad_file_is_refused_with_its_reason_and_the_next_one_is_read(file, caplog):
    file.write(ONE + "stal_s = 3\n")
    assert file.looks(3) == [None] * 3
    (record,) = caplog.records
    assert "is refused, and the old one goes on: camera[hall].stal_s: unknown key" in record.message
    assert not file.reload.succeeded
    assert len(file.reload.config.cameras) == 1
    file.write(TWO)
    revision = file.looks(2)[1]
    assert names(revision) == ["yard"]
    file.reload.accept(revision)
    assert file.reload.succeeded


def test_without_a_file_only_a_signal_asks(tmp_path):
    path = tmp_path / "gesta.toml"
    path.write_text(TWO)
    asked = threading.Event()
    config = load_config(path)
    reload = Reload(None, load=lambda: load_config(path), config=config, asked=asked)
    assert reload.due() is None
    asked.set()
    assert names(reload.due()) == []
