import json
import logging
import re
import sys

import pytest

from stream.log import complain, start_logging


@pytest.fixture(autouse=True)
def _log_as_it_was():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def test_passwords_are_masked_in_messages_and_tracebacks(capsys):
    start_logging(logging.INFO)
    log = logging.getLogger("test")
    log.warning("can't open %s", "rtsp://admin:hunter2@10.0.0.9/live")
    try:
        raise ValueError("rtsp://admin:hunter2@10.0.0.9/live is bad")
    except ValueError:
        log.exception("that went wrong")
    text = capsys.readouterr().err
    assert "hunter2" not in text
    assert text.count("admin:***@10.0.0.9") >= 2
    assert "Traceback" in text


def test_secrets_of_the_configuration_are_masked_wherever_they_stand(capsys):
    start_logging(logging.INFO, ["topsecret"])
    logging.getLogger("test").error("the camera said topsecret is wrong")
    assert "***" in (text := capsys.readouterr().err)
    assert "topsecret" not in text


def test_levels_are_kept_and_times_are_utc(capsys):
    start_logging(logging.WARNING)
    logging.getLogger("test").info("chatter")
    logging.getLogger("test").warning("news")
    text = capsys.readouterr().err
    assert "chatter" not in text
    assert text.rstrip().endswith("Z WARNING news")


def test_a_log_that_nobody_reads_is_no_reason_to_stop(monkeypatch):
    class Gone:
        def write(self, text):
            raise BrokenPipeError

        def flush(self):
            raise BrokenPipeError

    start_logging(logging.INFO)
    monkeypatch.setattr(sys, "stderr", Gone())
    logging.getLogger("test").warning("is anybody there?")


def test_json_is_one_masked_object_a_line(capsys):
    secret = 'quo"ted\\s3cr'
    start_logging(logging.INFO, [secret], "json")
    logging.getLogger("stream.test").warning("can't open %s: %s", "rtsp://a:hunter2@h/1", secret)
    try:
        raise ValueError(f"rtsp://a:hunter2@h/1 and {secret}")
    except ValueError:
        logging.getLogger("stream.test").exception("two\nlines")
    text = capsys.readouterr().err
    assert "hunter2" not in text
    assert "s3cr" not in text
    first, second = map(json.loads, text.splitlines())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", first.pop("time"))
    assert first == {
        "level": "WARNING",
        "logger": "stream.test",
        "message": "can't open rtsp://a:***@h/1: ***",
    }
    assert (second["level"], second["message"]) == ("ERROR", "two\nlines")
    assert "ValueError: rtsp://a:***@h/1 and ***" in second["traceback"]


def test_why_a_command_ends_is_said_in_the_logs_form(capsys):
    start_logging(logging.WARNING)
    complain("rtsp://a:hunter2@h/1 is wrong")
    assert capsys.readouterr().err == "gesta: rtsp://a:***@h/1 is wrong\n"
    start_logging(logging.WARNING, form="json")
    complain("it is 100% wrong")
    entry = json.loads(capsys.readouterr().err)
    assert (entry["level"], entry["message"]) == ("CRITICAL", "it is 100% wrong")
