"""Files of evidence: whole or not there, even after a power cut."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from stream.evidence.folder import whole


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_afterwards(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "2027-01-15" / "a.mp4"
    path.parent.mkdir()
    synced: list[tuple[int, int, bool]] = []

    def fsync(descriptor: int) -> None:
        of = os.fstat(descriptor)
        synced.append((of.st_ino, of.st_size, path.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    with whole(path) as part:
        part.write_bytes(b"all of it")
    assert synced[0] == (path.stat().st_ino, 9, False)
    named = [(inode, is_named) for inode, _, is_named in synced[1:]]
    assert named == [(folder.stat().st_ino, True) for folder in (path.parent, tmp_path)]


def test_a_file_that_cant_reach_the_disk_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"), whole(tmp_path / "a.mp4") as part:
        part.write_bytes(b"all of it")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cant_be_synced_costs_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(descriptor: int) -> None:
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "fsync", fsync)
    with whole(tmp_path / "a.mp4") as part:
        part.write_bytes(b"all of it")
    assert (tmp_path / "a.mp4").read_bytes() == b"all of it"
