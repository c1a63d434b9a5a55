"""The rules to begin with."""

from pathlib import Path

from engine.bundle import Bundle
from stream.configuration.loader import load_config
from stream.events.rule import check_labels

RULES = Path(__file__).parents[2] / "deploy" / "rules.toml"


def test_they_are_of_the_default_bundles_labels() -> None:
    rules = load_config(RULES).rules
    manifest = Bundle.open("default").manifest
    check_labels(rules, manifest.classes, manifest.name)
    (activity,) = rules
    assert set(activity.labels) == set(manifest.classes) - {"idle"}
