import json

import msgspec

from stream.messaging.messages import utc
from tests.stream.messaging.samples_of_messages import envelope, one_of_each, prediction


def test_a_time_is_rfc_3339_in_utc_with_microseconds():
    assert utc(0) == "1970-01-01T00:00:00.000000Z"
    assert utc(1_790_000_000_250_000_999) == "2026-09-21T14:13:20.250000Z"


def test_every_message_carries_the_common_fields():
    common = {
        "v", "type", "id", "site", "node", "boot", "seq", "camera", "stream_epoch",
        "published_at", "replay",
    }  # fmt: skip
    for message in one_of_each(envelope()).values():
        assert common <= json.loads(msgspec.json.encode(message)).keys()


def test_truth_is_there_even_when_nobody_knows_it():
    assert json.loads(msgspec.json.encode(prediction(envelope())))["truth"] is None
