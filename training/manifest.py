"""What a bundle's manifest says of the run that it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from training.evaluation.results import Metrics
from training.recipe import Recipe

# As the manifest names them, and as a result does.
_STREAMS = {"rgb+flow": "fused", "rgb": "rgb", "flow": "flow"}


def accuracy_entries(metrics: Metrics) -> list[dict[str, Any]]:
    """The manifest's list of measured accuracies; RGB alone once, whatever the flows."""
    entries = []
    first_flow = metrics.results[0].flow if metrics.results else ""
    for result in metrics.results:
        crops = "one crop" if result.crops == 1 else f"{result.crops} crops"
        entries += [
            {
                "data_set": result.data_set,
                "split": result.split,
                "protocol": result.protocol,
                "streams": streams,
                "value": getattr(result.accuracy, field),
                "note": f"{result.count} {result.unit}, {crops}"
                + ("" if streams == "rgb" else f", flow {result.flow}"),
            }
            for streams, field in _STREAMS.items()
            if streams != "rgb" or result.flow == first_flow
        ]
    return entries


def accuracy_with(metrics: Metrics, flow: str) -> float | None:
    """Two streams' accuracy with a flow: of the first data set, `global`, one crop."""
    for result in metrics.results:
        if result.flow == flow and (result.protocol, result.crops) == ("global", 1):
            return result.accuracy.fused
    return None


def manifest_fields(recipe: Recipe, metrics: Metrics | None = None) -> dict[str, Any]:
    """What the bundle's manifest says beyond the model's configuration and its calibration."""
    measured = metrics or Metrics(classes=recipe.classes)
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
                "accuracy": accuracy_with(measured, flow),
            }
            for flow, prepared in recipe.prepared.flows.items()
        },
        "accuracy": accuracy_entries(measured),
        "licence": recipe.bundle.licence,
        "attribution": list(recipe.bundle.attribution),
    }


def with_what_was_measured(fields: Mapping[str, Any], before: Mapping[str, Any]) -> dict[str, Any]:
    """`manifest_fields` of a recipe, with what the manifest `before` says of the same weights."""
    flows = {
        flow: {**entry, "accuracy": before["flows"].get(flow, entry)["accuracy"]}
        for flow, entry in fields["flows"].items()
    }
    return {**before, **fields, "flows": flows, "accuracy": before["accuracy"]}
