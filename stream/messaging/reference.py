"""The tables of `docs/messages.md`, written from the topics, the types and a recording.

python -m stream.messaging.reference      writes them anew; the page's own words stay
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from stream.errors import Reason
from stream.messaging.fields import Field, fields, meanings, prose
from stream.messaging.messages import Message, Part
from stream.messaging.topics import BY_KIND, TABLE, TopicKind, topic

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "messages.md"
RECORDING = DOCS / "recording"
LONGEST_EXAMPLE = 30

# A table stands between `<!-- table: NAME -->` and `<!-- end -->`.
_TABLE = re.compile(r"(<!-- table: ([\w ]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_LATECOMERS = {"no": "", "last": "the last one", "open": "the last one of each that goes on"}

Json = Any


def updated(page: str, recording: Path = RECORDING) -> str:
    """The page with its tables as they are now.

    Raises:
        KeyError: it asks for a table that there isn't.
    """
    examples = recorded(recording)

    def table(found: re.Match[str]) -> str:
        match found[2]:
            case "topics":
                lines = _topics()
            case "reasons":
                lines = _rows(
                    ("reason", "meaning"), [(f"`{k}`", v) for k, v in meanings(Reason).items()]
                )
            case "every message":
                lines = _fields(Message, Part, examples["prediction"])
            case kind:
                lines = _fields(BY_KIND[kind].message, Message, examples[kind])
        return f"{found[1]}\n{lines}\n{found[3]}"

    return _TABLE.sub(table, page)


def recorded(folder: Path) -> dict[str, Json]:
    """Of each kind, the recorded message with the fewest nulls; of several, the last."""
    found: dict[str, Json] = {}
    for name in ("events.jsonl", "predictions.jsonl", "explain.json"):
        for line in (folder / name).read_text(encoding="utf-8").splitlines():
            message = json.loads(line)
            best = found.get(message["type"])
            if best is None or _nulls(message) <= _nulls(best):
                found[message["type"]] = message
    return found


def _nulls(message: Json) -> int:
    return sum(value is None for value in message.values())


def _topics() -> str:
    head = ("topic", "what it tells", "how often", "a late subscriber gets")
    return _rows(
        head,
        [
            (
                f"`{topic('<site>', f'<{row.scope}>', row.kind)}`",
                f"[{row.kind}](#{row.kind}): {prose(row.message)}",
                _how_often(row),
                _LATECOMERS[row.retained],
            )
            for row in TABLE
        ],
    )


def _how_often(row: TopicKind) -> str:
    if row.expected_hz is None:
        return "`grid.prediction_hz` of [meta](#meta)"
    if row.expected_hz == 0:
        return "at each change"
    at_most = "at most " if row.scope == "camera" else ""
    times = "once" if row.expected_hz == 1 else f"{row.expected_hz:g}"
    return f"{at_most}{times} a second"


def _fields(kind: type[Message], under: type[Part], example: Json) -> str:
    return _rows(
        ("field", "type", "meaning", "example"),
        [
            (f"`{field.path}`", field.type, field.meaning, _example(field, example))
            for field in fields(kind, under=under)
        ],
    )


def _example(field: Field, message: Json) -> str:
    value = message
    for name in re.findall(r"\w+", field.path):
        value = value[0] if isinstance(value, list) else value
        # A recording may be older than a field.
        value = None if value is None else value.get(name)
    return "" if value is None or field.holds else f"`{_short(value)}`"


def _short(value: Json) -> str:
    """As JSON, cut to what fits into a table."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) <= LONGEST_EXAMPLE:
        return text
    if isinstance(value, str):
        return f'{text[:LONGEST_EXAMPLE]}…"'
    # Whole items, as many as fit, and one at least.
    last = max(text.rfind(",", 0, LONGEST_EXAMPLE), text.find(","))
    return f"{text[: last + 1]} …{text[-1]}" if last > 0 else text


def _rows(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def main() -> None:
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
