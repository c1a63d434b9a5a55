"""`gesta events`: the store for people, programs and spreadsheets."""

import csv
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from stream.cli import main
from stream.errors import ConfigError
from stream.events.evidence import ClipFile, Evidence, SnapshotFile
from stream.events.listing import moment_ns
from stream.events.store import EventStore
from tests.stream.events.drawn import rule
from tests.stream.events.test_store import event

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "events.sqlite"
    store, over = EventStore(path), event(0, label="run", camera="yard")
    store.write([over, over.ended("stream_lost"), event(60)])
    store.close()
    return path


def test_a_table_for_people(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--store", str(path)]) == 0
    first, second, count = capsys.readouterr().out.splitlines()
    assert "moving: run, peak 90% (stream_lost)" in first
    assert "yard" in first
    assert "goes on" in second
    assert count == "2 events"


def test_json_and_csv_for_programs(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["events", "--store", str(path), "--json"]) == 0
    first, second = map(json.loads, capsys.readouterr().out.splitlines())
    assert (first["label"], first["start"]) == ("run", "2027-01-15T08:00:00.000000Z")
    assert (first["end_reason"], second["end"], second["end_reason"]) == ("stream_lost", None, None)
    assert main(["events", "--store", str(path), "--csv"]) == 0
    rows = list(csv.DictReader(capsys.readouterr().out.splitlines()))
    assert [row["camera"] for row in rows] == ["yard", "hall"]


def test_what_makes_evidence_provable_is_listed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, start = tmp_path / "events.sqlite", "2027-01-15T08:00:00.000000Z"
    clip = ClipFile(
        uri="file:///clip.mp4", sha256="c1" * 32, size_bytes=7, start=start, end=start,
        covers_event=False,
    )  # fmt: skip
    snapshot = SnapshotFile(uri="file:///picture.jpg", sha256="5a" * 32, at=start)
    kept = Evidence(clip=clip, snapshot=snapshot, error="the clip is cut")
    store = EventStore(path)
    store.write([event(), event(1).ended("below_exit").kept(kept)])
    store.close()
    assert main(["events", "--store", str(path), "--json"]) == 0
    bare, listed = map(json.loads, capsys.readouterr().out.splitlines())
    assert bare["evidence"] is None
    assert listed["evidence"] == msgspec.to_builtins(kept)
    assert listed["peak"] == {"p": 0.9, "at": "2027-01-15T08:00:01.000000Z"}
    assert (listed["thresholds"]["enter"], listed["onset_uncertainty_s"]) == (rule().enter, 1.2)
    assert main(["events", "--store", str(path), "--csv"]) == 0
    bare, listed = csv.DictReader(capsys.readouterr().out.splitlines())
    names = "clip_sha256", "snapshot_sha256", "covers_event", "blurred", "evidence_error"
    assert [bare[name] for name in names] == [""] * 5
    assert [listed[name] for name in names] == [
        "c1" * 32, "5a" * 32, "false", "false", "the clip is cut",
    ]  # fmt: skip


def test_only_what_is_asked_for(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    until = ["--until", "2027-01-15T08:00:30Z"]
    for arguments in (["--label", "run"], ["--camera", "yard"], until):
        assert main(["events", "--store", str(path), "--json", *arguments]) == 0
        (line,) = capsys.readouterr().out.splitlines()
        assert json.loads(line)["label"] == "run"
    assert main(["events", "--store", str(path), "--json", "--rule", "none"]) == 0
    assert capsys.readouterr().out == ""


def test_what_goes_on_is_listed_whenever_it_began(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for since, counted in {"08:00:00": "2 events", "08:00:30": "1 event"}.items():
        assert main(["events", "--store", str(path), "--since", f"2027-01-15T{since}Z"]) == 0
        assert capsys.readouterr().out.splitlines()[-1] == counted
    assert main(["events", "--store", str(path), "--since", "2027-01-15T09:00Z"]) == 0
    first, counted = capsys.readouterr().out.splitlines()
    assert "goes on" in first
    assert counted == "1 event"


def test_a_configuration_names_the_store(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "gesta.toml").write_text(
        f'[events]\nstore = "{path}"\n[mqtt]\nhost = "broker"\npassword = "${{NOSUCH}}"\n'
    )  # whose secrets the reader of a list need not have
    assert main(["events", "--config", str(tmp_path / "gesta.toml")]) == 0
    assert "2 events" in capsys.readouterr().out


def test_a_store_that_is_not_there_gets_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["events", "--store", str(tmp_path / "none")]) == 5
    assert "there is no event store" in capsys.readouterr().err
    assert main(["events", "--store", str(tmp_path / "none"), "--since", "soon"]) == 5


def test_times_are_so_long_ago_or_of_a_calendar() -> None:
    for text, ago in {"90m": timedelta(minutes=90), "1.5h": timedelta(hours=1.5),
                      "7d": timedelta(days=7), "2w": timedelta(weeks=2),
                      "30s": timedelta(seconds=30)}.items():  # fmt: skip
        assert moment_ns(text, NOW) == int((NOW - ago).timestamp()) * 10**9
    assert moment_ns("2026-11-26T12:00:00+00:00", NOW) == int(NOW.timestamp()) * 10**9
    local = datetime(2026, 11, 26)
    assert moment_ns("2026-11-26", NOW) == int(local.timestamp()) * 10**9
    for odd in ("yesterday", "999999999999d", "9" * 400 + "h"):
        with pytest.raises(ConfigError, match=f'"{odd}" is no time; write 90m'):
            moment_ns(odd, NOW)
    assert abs(moment_ns("9999-12-31", NOW)) < 1 << 63
    assert abs(moment_ns("0001-01-02T00:00+00:00", NOW)) < 1 << 63
