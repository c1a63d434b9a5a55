"""What rules would have made of a video."""

import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pytest

from stream.errors import ConfigError, PublishError
from stream.events.rehearsal import Rehearsal, rehearse
from stream.events.schedule import ScheduleConfig
from stream.messaging.messages import Prediction
from tests.stream.events.drawn import CLASSES, Predictions, rule

SVG = "{http://www.w3.org/2000/svg}"


def video() -> Iterator[tuple[float, Prediction]]:
    """Ten seconds of a file that begins at 100 s: walking from 102 to 104 s, and from 109 s on."""
    seen = Predictions()
    for tick in range(100):
        at_s = tick / 10
        p = 0.9 if 2 <= at_s < 4 or at_s >= 9 else 0.1
        yield round(100 + at_s, 6), seen(at_s, p)


def test_events_have_their_places_in_the_video() -> None:
    rehearsal = Rehearsal([rule()], classes=CLASSES, window_s=1.2)
    first, second = rehearsal.play(video())
    assert (first.start_s, first.end_s, first.peak_s) == (102.0, 103.9, 102.0)
    assert (first.rule, first.label, first.end_reason) == ("moving", "walk", "below_exit")
    assert (second.start_s, second.end_s, second.end_reason) == (109.0, 109.9, "shutdown")
    (lane,) = rehearsal.lanes
    assert lane.events == [(102.0, 103.9), (109.0, 109.9)]
    assert lane.seen[0] == (100.0, 0.1)
    assert len(lane.seen) == 100


def test_a_rule_is_tried_whichever_cameras_and_hours_it_is_for() -> None:
    elsewhere = rule(cameras=("yard",), schedule=ScheduleConfig(begin="03:00", end="03:01"))
    rehearsal = Rehearsal([elsewhere], classes=CLASSES, window_s=1.2)
    assert len(list(rehearsal.play(video()))) == 2


def test_without_a_rule_there_is_nothing_to_try() -> None:
    with pytest.raises(ConfigError, match="there is no rule"):
        Rehearsal([rule(enabled=False)], classes=CLASSES, window_s=1.2)


def test_lines_json_and_a_picture(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rules = [rule(), rule(name="still", labels=("idle",), severity="critical")]
    given = {"classes": CLASSES, "window_s": 1.2, "picture": tmp_path / "events.svg"}
    rehearse(video(), rules, as_json=False, **given)  # type: ignore[arg-type]
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "4 events"
    assert any("102.00 s    103.90 s  moving: walk (info)" in line for line in lines)
    assert any("goes on at the end" in line for line in lines)
    rehearse(video(), rules, as_json=True, **given)  # type: ignore[arg-type]
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {event["rule"] for event in events} == {"moving", "still"}
    picture = ElementTree.fromstring(given["picture"].read_text())  # type: ignore[attr-defined]
    words = [text.text for text in picture.iter(f"{SVG}text")]
    assert {"moving", "still", "enter 0.6", "exit 0.4", "2 events"} <= set(words)
    assert len(list(picture.iter(f"{SVG}polyline"))) == 2


def test_one_event_is_one_event(capsys: pytest.CaptureFixture[str]) -> None:
    first = (item for item in video() if item[0] < 105)
    rehearse(first, [rule()], classes=CLASSES, window_s=1.2, as_json=False, picture=None)
    assert capsys.readouterr().out.splitlines()[-1] == "1 event"


def test_a_hole_breaks_the_line_of_the_picture(tmp_path: Path) -> None:
    with_hole = (item for item in video() if not 105 < item[0] < 107)
    rehearse(
        with_hole, [rule()], classes=CLASSES, window_s=1.2, as_json=True, picture=tmp_path / "a.svg"
    )
    picture = ElementTree.fromstring((tmp_path / "a.svg").read_text())
    assert len(list(picture.iter(f"{SVG}polyline"))) == 2


def test_a_picture_that_cant_be_written_gets_a_sentence_before_the_video(tmp_path: Path) -> None:
    played = video()
    with pytest.raises(PublishError, match="can't be written") as refused:
        rehearse(
            played, [rule()], classes=CLASSES, window_s=1.2, as_json=True,
            picture=tmp_path / "no" / "a.svg",
        )  # fmt: skip
    assert refused.value.exit_code == 5
    assert next(played)[0] == 100.0  # none of it was played


def test_a_truth_is_of_the_bundles_labels(tmp_path: Path) -> None:
    truth = tmp_path / "scene.json"
    interval = {"label": "fly", "start_tick": 0, "end_tick": 9}
    truth.write_text(json.dumps({"fps": 25.0, "intervals": [interval]}))
    with pytest.raises(ConfigError, match='"fly" is no class of the bundle'):
        rehearse(
            video(), [rule()], classes=CLASSES, window_s=1.2, as_json=True, picture=None,
            truth=truth,
        )  # fmt: skip
