"""The page of metrics, read back by the library's own parser."""

import shutil
import subprocess

import pytest
from prometheus_client import REGISTRY
from prometheus_client.parser import text_string_to_metric_families

from stream.errors import Reason
from stream.events.evidence import Evidence
from stream.operations import metrics
from tests.stream.operations.books import Books


@pytest.fixture
def page() -> str:
    books = Books()
    books.predict("hall")
    books.predict("hall")
    books.event("hall")
    books.event("hall", phase="end", end_reason="below_exit")
    books.event("hall", event_id="e2")
    books.event("yard", phase="end", evidence=Evidence(error="no packets"))
    books.event("yard", phase="end", evidence=Evidence())
    books.event("gone", phase="end", evidence=Evidence(error="no packets"))
    books.tell("hall", "offline", reason=Reason.AUTH, reconnects=3)
    books.beat(open_events=1, queues={"results": 0, "unstored": 2})
    return metrics.page(books.ledger.snapshot).decode()


def value(page: str, name: str, **labels: str) -> float:
    """The one sample of this name that has these labels."""
    (found,) = [
        sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == name and sample.labels.items() >= labels.items()
    ]
    return found


def test_every_number_is_there(page: str) -> None:
    assert value(
        page, "gesta_build_info", version="0.1.0", bundle="tiny", sha256="ab" * 32,
        runner="openvino:CPU", precision="fp32", flow="dis",
    ) == 1  # fmt: skip
    assert value(page, "gesta_uptime_seconds") == 12.0
    assert value(page, "gesta_resident_memory_bytes") == 250_000_000
    assert value(page, "gesta_bundle_predictions_per_second") == 25.0
    assert value(page, "gesta_last_inference_age_seconds") == 0.02
    assert value(page, "gesta_open_events") == 1
    assert value(page, "gesta_unstored_event_changes") == 2
    assert value(page, "gesta_camera_last_frame_age_seconds", camera="hall") == 0.04
    assert value(page, "gesta_camera_frames_per_second", camera="hall") == 25.0
    assert value(page, "gesta_camera_predictions_per_second", camera="yard") == 25.0
    assert value(page, "gesta_dropped_frames_total", camera="hall", cause="shed") == 0
    assert value(page, "gesta_reconnects_total", camera="hall") == 3
    assert value(page, "gesta_reconnects_total", camera="yard") == 0
    assert value(page, "gesta_stream_epoch", camera="hall") == 0
    assert value(page, "gesta_sample_queue_depth", camera="hall") == 0
    assert value(page, "gesta_predictions_total", camera="hall") == 2
    assert value(page, "gesta_predictions_total", camera="yard") == 0
    assert value(page, "gesta_events_total", rule="moving", phase="start") == 2
    assert value(page, "gesta_events_total", rule="moving", phase="end") == 1
    assert value(page, "gesta_evidence_errors_total", camera="hall") == 0
    assert value(page, "gesta_evidence_errors_total", camera="yard") == 1
    assert value(page, "gesta_sink_failing", sink="mqtt") == 0
    assert value(page, "gesta_sink_failing", sink="webhook:vms") == 1
    assert value(page, "gesta_sink_backlog", sink="webhook:vms") == 3


@pytest.mark.parametrize("step", ["nothing", "samples", "flow"])
def test_the_node_is_at_one_step_of_shedding(step: str) -> None:
    books = Books()
    books.beat(shedding=step)
    page = metrics.page(books.ledger.snapshot).decode()
    given = {
        what: value(page, "gesta_shedding", what=what) for what in ("nothing", "samples", "flow")
    }
    assert [what for what, is_it in given.items() if is_it] == [step]


def test_a_camera_is_in_one_state(page: str) -> None:
    states = {
        state: value(page, "gesta_camera_state", camera="hall", state=state)
        for state in ("connecting", "live", "stalled", "offline", "ended")
    }
    assert {state for state, is_in in states.items() if is_in} == {"offline"}
    assert value(page, "gesta_camera_state", camera="yard", state="connecting") == 1


def test_latencies_are_a_histogram_in_seconds(page: str) -> None:
    name = "gesta_capture_to_publish_seconds"  # both took 24 ms
    assert value(page, f"{name}_bucket", camera="hall", le="0.01") == 0
    assert value(page, f"{name}_bucket", camera="hall", le="0.025") == 2
    assert value(page, f"{name}_bucket", camera="hall", le="+Inf") == 2
    assert value(page, f"{name}_count", camera="hall") == 2
    assert value(page, f"{name}_sum", camera="hall") == pytest.approx(0.048)


def test_what_is_not_known_yet_is_absent() -> None:
    books = Books()
    books.beat(last_inference_age_s=None, cameras=())
    text = metrics.page(books.ledger.snapshot).decode()
    assert "gesta_last_inference_age_seconds" not in text
    assert "gesta_camera_last_frame_age_seconds{" not in text


def test_every_family_says_what_it_is_and_begins_with_gesta(page: str) -> None:
    for family in text_string_to_metric_families(page):
        assert family.name.startswith("gesta_")
        assert family.documentation.endswith(".")
        assert family.type in ("gauge", "counter", "histogram")


def test_nothing_global_is_touched(page: str) -> None:
    assert not [family.name for family in REGISTRY.collect() if family.name.startswith("gesta")]


def test_promtool_has_nothing_against_it(page: str) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    done = subprocess.run(
        [promtool, "check", "metrics"],
        input=page, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
