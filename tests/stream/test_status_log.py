import logging

import pytest

from stream.errors import Reason
from stream.status_log import StatusLog
from tests.stream.messaging.samples_of_messages import envelope, status


@pytest.mark.parametrize(
    ("reason", "level", "said"),
    [
        (None, logging.INFO, "hall: live: words"),
        (Reason.SIZE_CHANGE, logging.INFO, "hall: live after SIZE_CHANGE: words"),
        (Reason.OVERLOAD, logging.WARNING, "hall: live OVERLOAD: words"),  # it goes on
    ],
)
def test_a_camera_that_is_live_may_be_so_after_something_or_in_spite_of_it(
    caplog, reason, level, said
):
    caplog.set_level(logging.INFO)
    StatusLog().note(status(envelope(), "hall", "live", reason=reason, detail="words"))
    assert caplog.record_tuples == [("stream.status_log", level, said)]
