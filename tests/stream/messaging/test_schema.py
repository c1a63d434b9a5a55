import json

import jsonschema
import msgspec
import pytest

from stream.messaging.schema import FOLDER, schema, schema_text
from stream.messaging.topics import BY_KIND, TABLE
from tests.stream.messaging.samples_of_messages import envelope, one_of_each

KINDS = sorted(BY_KIND)


def test_the_files_are_current():
    for row in TABLE:
        shipped = (FOLDER / f"{row.kind}.json").read_text(encoding="utf-8")
        assert shipped == schema_text(row), "run: python -m stream.messaging.schema"
    assert {path.stem for path in FOLDER.glob("*.json")} == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_a_real_message_is_valid(kind):
    shipped = json.loads((FOLDER / f"{kind}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(shipped)
    message = json.loads(msgspec.json.encode(one_of_each(envelope())[kind]))
    jsonschema.validate(message, shipped)
    assert message["type"] == kind


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_without_its_sequence_number_is_not_valid(kind):
    message = json.loads(msgspec.json.encode(one_of_each(envelope())[kind]))
    del message["seq"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(message, schema(BY_KIND[kind]))


def test_a_field_of_a_later_release_does_no_harm():
    row = BY_KIND["prediction"]
    message = json.loads(msgspec.json.encode(one_of_each(envelope())["prediction"]))
    message["brand_new"] = 1
    jsonschema.validate(message, schema(row))
    assert msgspec.json.decode(json.dumps(message), type=row.message).seq == 0
