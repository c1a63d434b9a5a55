import json

import jsonschema
import msgspec
import pytest

from stream.messaging.schema import FOLDER, schemas, text
from stream.messaging.topics import BY_KIND
from tests.stream.messaging.samples_of_messages import envelope, one_of_each

KINDS = sorted(BY_KIND)


def test_the_files_are_current():
    for name, schema in schemas().items():
        assert (FOLDER / f"{name}.json").read_text(encoding="utf-8") == text(schema), (
            "run: make docs"
        )
    assert {path.stem for path in FOLDER.glob("*.json")} == {*KINDS, "report"}


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
        jsonschema.validate(message, schemas()[kind])


def test_a_field_of_a_later_release_does_no_harm():
    row = BY_KIND["prediction"]
    message = json.loads(msgspec.json.encode(one_of_each(envelope())["prediction"]))
    message["brand_new"] = 1
    jsonschema.validate(message, schemas()["prediction"])
    assert msgspec.json.decode(json.dumps(message), type=row.message).seq == 0


def test_every_field_of_an_event_is_explained_and_so_is_a_reports():
    event = schemas()["event"]["$defs"]["EventChange"]["properties"]
    report = schemas()["report"]["$defs"]["Report"]["properties"]
    assert report["onset_uncertainty_s"]["description"].startswith("The action itself began up to")
    without = {"id", "boot", "seq", "stream_epoch", "published_at", "replay"}
    assert report.keys() == event.keys() - without
    for name in report.keys() - {"peak", "thresholds"}:  # those have types that say it
        assert report[name]["description"] == event[name]["description"]
