import pytest

from stream.messaging.envelope import Envelope


def test_numbers_count_from_zero_by_topic():
    sender = Envelope("home", "box")
    kinds = [("prediction", "a"), ("prediction", "a"), ("prediction", "b"), ("status", "a")]
    seqs = [sender.fields(kind, camera, 0)["seq"] for kind, camera in kinds]
    assert seqs == [0, 1, 0, 0]
    assert sender.last_seq() == {
        "gesta/1/home/a/prediction/": 1,
        "gesta/1/home/b/prediction/": 0,
        "gesta/1/home/a/status/": 0,
    }


def test_ids_differ_and_boot_stays():
    sender = Envelope("home", "box")
    first, second = sender.fields("status", "a", 0), sender.fields("status", "a", 0)
    assert first["id"] != second["id"]
    assert first["boot"] == second["boot"] != Envelope("home", "box").boot


def test_a_cameras_message_needs_its_camera():
    with pytest.raises(ValueError, match="prediction is about the camera"):
        Envelope("home", "box").fields("prediction")
