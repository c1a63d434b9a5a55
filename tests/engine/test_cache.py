"""Where compiled things are kept."""

import logging
import os
import time

from engine.cache import cache_dir, keep, read_kept


def test_the_cache_lies_where_the_user_says(tmp_path, monkeypatch):
    monkeypatch.setenv("GESTA_CACHE", str(tmp_path / "mine"))
    assert cache_dir("openvino") == tmp_path / "mine" / "openvino"
    monkeypatch.delenv("GESTA_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_dir("openvino") == tmp_path / "xdg" / "gesta" / "openvino"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_dir("openvino") == tmp_path / ".cache" / "gesta" / "openvino"
    assert cache_dir("openvino").is_dir()


def test_without_a_place_for_the_cache_it_runs_all_the_same(tmp_path, monkeypatch, caplog):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GESTA_CACHE", str(tmp_path / "file"))
    with caplog.at_level(logging.WARNING):
        assert cache_dir("openvino") is None
    assert "what is compiled for openvino isn't kept for the next start" in caplog.text


def test_what_is_kept_is_read_again(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        assert read_kept(tmp_path / "plan") is None
        keep(tmp_path / "plan", b"first")
        keep(tmp_path / "plan", b"second")
        assert read_kept(tmp_path / "plan") == b"second"
    assert not caplog.records
    assert [file.name for file in tmp_path.iterdir()] == ["plan"]


def test_what_cannot_be_kept_leaves_nothing_behind(tmp_path, caplog):
    (tmp_path / "plan").mkdir()
    with caplog.at_level(logging.WARNING):
        keep(tmp_path / "plan", b"content")
    assert "plan isn't kept for the next start" in caplog.text
    assert [file.name for file in tmp_path.iterdir()] == ["plan"]


def test_what_nobody_read_for_half_a_year_makes_room(tmp_path):
    days = {"old.plan": 181, "read.plan": 181, "new.plan": 179, "timings.cache": 999}
    for name in days:
        keep(tmp_path / name, b"content")
    for name, age in days.items():
        used_s = time.time() - age * 86400
        os.utime(tmp_path / name, (used_s, used_s))
    assert read_kept(tmp_path / "read.plan") == b"content"
    keep(tmp_path / "another.plan", b"content")
    left = sorted(file.name for file in tmp_path.iterdir())
    assert left == ["another.plan", "new.plan", "read.plan", "timings.cache"]
