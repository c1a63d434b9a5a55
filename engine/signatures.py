"""What the four graphs of a bundle must take and give, by its manifest."""

from __future__ import annotations

from engine.manifest import Manifest
from engine.runners.runner import ArraySpec, Signature


def signature(manifest: Manifest, graph: str) -> Signature:
    """graph: one of `engine.bundle.GRAPHS`."""
    return _head(manifest) if is_head(graph) else _cnn(manifest, graph)


def is_head(graph: str) -> bool:
    return graph.endswith("_head")


def _cnn(manifest: Manifest, stream: str) -> Signature:
    if stream == "rgb":
        shape = (manifest.input_size, manifest.input_size, 3)
    else:
        shape = (manifest.flow_channels, manifest.flow_size, manifest.flow_size)
    return Signature(
        inputs={"frames": ArraySpec("uint8", (None, *shape))},
        outputs={
            "features": ArraySpec("float32", (None, manifest.feature_width)),
            "attention": ArraySpec("float32", (None, None, None)),
        },
    )


def _head(manifest: Manifest) -> Signature:
    lanes, width = manifest.frames_per_segment, manifest.feature_width
    state = {
        "h": ArraySpec("float32", (None, lanes, manifest.hidden_width)),
        "c": ArraySpec("float32", (None, lanes, manifest.hidden_width)),
        "m": ArraySpec("float32", (None, lanes)),
        "l": ArraySpec("float32", (None, lanes)),
        "a": ArraySpec("float32", (None, lanes, width)),
    }
    return Signature(
        inputs={
            "features": ArraySpec("float32", (None, width)),
            "lane": ArraySpec("int32", (None,)),
            **state,
        },
        outputs={
            **{f"{name}_out": spec for name, spec in state.items()},
            "segment_scores": ArraySpec("float32", (None, lanes, len(manifest.classes))),
            "logits": ArraySpec("float32", (None, lanes)),
        },
    )
