"""The JSON Schemas of the messages, written from their types.

python -m stream.messaging.schema      writes schemas/*.json anew
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec

from stream.events.report import Report
from stream.messaging.fields import meanings, parts, prose
from stream.messaging.messages import VERSION, EventChange
from stream.messaging.topics import TABLE, topic

FOLDER = Path(__file__).parent / "schemas"
REPORT = "report"


def schemas() -> dict[str, dict[str, Any]]:
    """The JSON Schemas (draft 2020-12) of all messages, and of what webhooks and MQTT are told."""
    found = {
        row.kind: _schema(
            row.message, row.kind, f"sent on {topic('<site>', f'<{row.scope}>', row.kind)}"
        )
        for row in TABLE
    }
    found[REPORT] = _schema(Report, REPORT, "a webhook's body; an MQTT broker's .../event")
    # A report's fields are the event message's, where they are explained.
    _describe(found[REPORT]["$defs"][Report.__name__], meanings(EventChange))
    return found


def text(schema: dict[str, Any]) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _schema(kind: type[msgspec.Struct], name: str, where: str) -> dict[str, Any]:
    (reference,), definitions = msgspec.json.schema_components([kind])
    for part in parts(kind):
        definition = definitions[part.__name__]
        definition["description"] = prose(part)
        _describe(definition, meanings(part))
    # `additionalProperties` stays open: within a version, changes only add fields.
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Gesta {name}, version {VERSION}",
        "$comment": where,
        **reference,
        "$defs": definitions,
    }


def _describe(definition: dict[str, Any], said: dict[str, str]) -> None:
    for name, field in definition.get("properties", {}).items():
        if name in said:
            field["description"] = said[name]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, schema in schemas().items():
        (FOLDER / f"{name}.json").write_text(text(schema), encoding="utf-8")


if __name__ == "__main__":
    main()
