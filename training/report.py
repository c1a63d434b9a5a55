"""What a bundle's manifest says of the run that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.data.annotations import IDLE
from training.evaluate import PROTOCOLS
from training.recipe import Recipe
from training.streaming_evaluation import ACTION


def accuracy_entries(recipe: Recipe, report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The manifest's list of measured accuracies."""
    entries = []
    for name, measured in report.items():
        described = recipe.sets[name]
        of_streams = described.layout == "streams"
        what = "middles of intervals" if of_streams else "clips"
        protocols = (ACTION, IDLE) if of_streams else PROTOCOLS
        entries += [
            {
                "data_set": name,
                "split": described.test_part,
                "protocol": f"grid, middle of {protocol}" if of_streams else protocol,
                "streams": streams,
                "value": value,
                "note": f"{measured[protocol]['count']} {what}, one crop",
            }
            for protocol in protocols
            if protocol in measured
            for streams, value in measured[protocol]["accuracy"].items()
        ]
    return entries


def manifest_fields(recipe: Recipe, report: Mapping[str, Any]) -> dict[str, Any]:
    """What the bundle's manifest says beyond the model's configuration."""
    entries = accuracy_entries(recipe, report)
    of_flow = next((e["value"] for e in entries if e["streams"] == "rgb+flow"), None)
    return {
        "name": recipe.bundle.name,
        "version": recipe.bundle.version,
        "classes": list(recipe.classes),
        "resize": list(recipe.prepared.size),
        "grid_fps": recipe.prepared.grid_fps,
        "sample_every": recipe.bundle.sample_every,
        "flows": {
            flow: {
                "bound_px": prepared.bound_px,
                "parameters": dict(prepared.parameters),
                "accuracy": of_flow if flow == recipe.prepared.default_flow else None,
            }
            for flow, prepared in recipe.prepared.flows.items()
        },
        "accuracy": entries,
        "licence": recipe.bundle.licence,
        "attribution": list(recipe.bundle.attribution),
    }
