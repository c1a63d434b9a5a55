"""The alerts and the dashboard: whole, and about metrics that the daemon really has."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from stream.errors import Reason
from stream.operations import metrics
from tests.stream.operations.books import Books

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
ALERTS = DEPLOY / "prometheus-alerts.yml"


@pytest.fixture(scope="module")
def names() -> set[str]:
    """Of every sample that a daemon gives."""
    books = Books()
    books.tell("hall", "offline", reason=Reason.AUTH)
    books.beat()
    page = metrics.page(books.ledger.snapshot).decode()
    return {
        sample.name for family in text_string_to_metric_families(page) for sample in family.samples
    }


def used(text: str) -> set[str]:
    return set(re.findall(r"\bgesta_[a-z_]+", text))


def promtool(*arguments: object) -> None:
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed (Debian's package prometheus has it)")
    done = subprocess.run(
        [tool, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_alerts_are_about_what_there_is(names: set[str]) -> None:
    text = ALERTS.read_text()
    assert used(text) <= names
    assert len(re.findall("alert: ", text)) == 9


def test_promtool_has_nothing_against_the_alerts() -> None:
    promtool("check", "rules", ALERTS)


def test_promtool_has_nothing_against_the_example() -> None:
    promtool("check", "config", DEPLOY / "prometheus.yml")


def test_each_alert_fires_when_it_should() -> None:
    promtool("test", "rules", Path(__file__).with_name("alerts.test.yml"))


def expressions(tree: Any) -> Iterator[str]:
    """Every query inside the dashboard."""
    if isinstance(tree, dict):
        for key, inner in tree.items():
            if key in ("expr", "query") and isinstance(inner, str):
                yield inner
            else:
                yield from expressions(inner)
    elif isinstance(tree, list):
        for inner in tree:
            yield from expressions(inner)


def test_the_dashboard_is_about_what_there_is(names: set[str]) -> None:
    dashboard = json.loads((DEPLOY / "grafana-dashboard.json").read_text())
    found = used(" ".join(expressions(dashboard)))
    assert found <= names
    assert {"gesta_camera_state", "gesta_capture_to_publish_seconds_bucket"} <= found
    numbers = [panel["id"] for panel in dashboard["panels"]]
    assert len(set(numbers)) == len(numbers)


def test_every_metric_is_in_the_documentation(names: set[str]) -> None:
    families = {re.sub("_(bucket|count|sum)$", "", name) for name in names}
    assert used((ROOT / "docs" / "operations.md").read_text()) >= families
