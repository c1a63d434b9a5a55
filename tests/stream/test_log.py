import logging
import sys

import pytest

from stream.log import start_logging


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
