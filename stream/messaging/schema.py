"""The JSON Schemas of the messages, written from their types.

python -m stream.messaging.schema      writes schemas/*.json anew
"""

from __future__ import annotations

import inspect
import json
from pathlib import Path
from typing import Any

import msgspec

from stream.messaging.messages import VERSION
from stream.messaging.topics import TABLE, TopicKind, topic

FOLDER = Path(__file__).parent / "schemas"


def schema(row: TopicKind) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of one kind of message."""
    (reference,), definitions = msgspec.json.schema_components([row.message])
    for definition in definitions.values():
        definition["description"] = inspect.cleandoc(definition["description"])
    # `additionalProperties` stays open: within a version, changes only add fields.
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Gesta {row.kind}, version {VERSION}",
        "$comment": f"sent on {topic('<site>', f'<{row.scope}>', row.kind)}",
        **reference,
        "$defs": definitions,
    }


def schema_text(row: TopicKind) -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(row), indent=2, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for row in TABLE:
        (FOLDER / f"{row.kind}.json").write_text(schema_text(row), encoding="utf-8")


if __name__ == "__main__":
    main()
