"""What the types say of themselves is whole, and told in the reader's words."""

import re
from typing import Literal

import msgspec
import pytest

from stream.messaging.fields import Field, fields, meanings, parts, prose
from stream.messaging.messages import Count, Message, Part, Probability, Utc
from stream.messaging.topics import TABLE

EVERY_TYPE = sorted(
    {each for row in TABLE for each in parts(row.message)}, key=lambda each: each.__name__
)


class Ball(Part, frozen=True, kw_only=True):
    """A ball.

    colour: as it was
        painted.
    """

    colour: Literal["red", "blue"]
    size_bytes: Count


class Game(Part, frozen=True, kw_only=True):
    """A game of two. It has
    an end.

    ball: what is played with.
    at: when.
    """

    ball: Ball | None
    players: tuple[str, ...]
    lasted_s: float | None
    spent_ms: Ball
    at: Utc
    odds: Probability
    scores: dict[str, Count]
    all_balls: tuple[Ball, ...]


def test_a_field_is_told_with_its_path_type_and_unit():
    told = {field.path: field for field in fields(Game)}
    assert told["ball"] == Field("ball", "object or null", "What is played with.", holds=True)
    assert told["ball.colour"].type == "`blue` or `red`"
    assert told["ball.colour"].meaning == "As it was painted."
    assert told["ball.size_bytes"].type == "integer (bytes)"
    assert told["all_balls[].colour"].meaning == "As it was painted."
    assert told["all_balls"] == Field("all_balls", "list of objects", "A ball.", holds=True)
    assert told["players"].type == "list of strings"
    assert told["lasted_s"].type == "number (s) or null"
    assert told["at"].type == "time"
    assert told["odds"].type == "number 0 to 1"
    assert told["scores"].type == "integers by name"
    assert list(told)[:3] == ["ball", "ball.colour", "ball.size_bytes"]


def test_a_part_of_a_duration_has_its_unit():
    latency = {field.path: field.type for field in fields(TABLE[0].message)}
    assert latency["time.latency_ms.rgb"] == "number (ms)"


def test_prose_is_what_is_said_of_no_field():
    assert prose(Game) == "A game of two. It has an end."


def test_what_every_message_says_is_left_out_of_each():
    every = {field.path for field in fields(Message)}
    assert {"type", "seq", "replay"} <= every
    for row in TABLE:
        assert not every & {field.path for field in fields(row.message, under=Message)}


@pytest.mark.parametrize("kind", EVERY_TYPE, ids=lambda kind: kind.__name__)
def test_each_type_explains_its_fields_and_no_others(kind):
    if not issubclass(kind, msgspec.Struct):
        assert meanings(kind).keys() == {member.value for member in kind}
        return
    known = {field.path: field for field in fields(kind) if not re.search(r"[.\[]", field.path)}
    assert meanings(kind).keys() <= known.keys()
    assert prose(kind)
    for path, field in known.items():
        assert field.meaning.endswith("."), f"{kind.__name__}.{path} is not explained"
