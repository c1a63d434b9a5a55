"""A stream that is no longer trained, compiled for this machine's CPU: torch's numbers, sooner.

Features of whole data sets, ten crops of each test clip, a user's clips for `teach`: all of them
only run a stream forwards, which the engine's own runner does several times as fast as torch.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from engine.machine import describe_machine
from engine.runners.openvino_runner import OpenVinoRunner
from engine.runners.runner import ArraySpec, Signature
from training.model.build import FLOW_CHANNELS
from training.model.sta_tsn import SpatialStream, StaTsn
from training.onnx_export import CNN_OUTPUTS, cnn_to_onnx


def freeze_streams(model: StaTsn) -> StaTsn:
    """`model`, in place, with both streams compiled where they are on the CPU; a GPU's stay in
    torch, as the heads do.
    """
    if model.rgb.device.type != "cpu":
        return model.eval()
    for modality in ("rgb", "flow"):
        setattr(model, modality, FrozenStream(getattr(model, modality)))
    return model.eval()


class FrozenStream(nn.Module):
    """Stands where a `SpatialStream` in eval mode stands: uint8 images -> (features, attention).

    It computes with the weights as a bundle holds them, those of two and more dimensions rounded
    to fp16 (`onnx_export.round_weights`). It is compiled for the side that its first images have,
    and takes no other afterwards.

    Args:
        stream: what to compile; later changes of it have no effect here.
        precision: fp32, or bf16, which is fp32 where the CPU doesn't compute in it.
        threads: cores to use; 0 for all.
    """

    def __init__(self, stream: SpatialStream, *, precision: str = "fp32", threads: int = 0) -> None:
        super().__init__()
        self.width = stream.width
        self.device = torch.device("cpu")
        self._precision = precision if describe_machine().computes_bf16 else "fp32"
        self._threads = threads
        self._stream = copy.deepcopy(stream)  # kept: a model's digest is of all its weights
        self._runner: OpenVinoRunner | None = None

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images uint8 [B, S, S, 3] or [B, 20, S, S] -> features [B, D], attention [B, h, w].

        Raises engine.errors.RunnerError where the graph can't be compiled.
        """
        if self._runner is None:
            self._runner = self._compiled(side=images.shape[2])
        outputs = self._runner.run({"frames": images.contiguous().numpy()})
        features, attention = (torch.from_numpy(outputs[name]) for name in CNN_OUTPUTS)
        return features, attention

    def _compiled(self, *, side: int) -> OpenVinoRunner:
        stream = self._stream
        shape = (side, side, 3) if stream.channels_last else (FLOW_CHANNELS, side, side)
        # The first images may come in a caller's mixed precision, which a graph has no part in.
        with torch.autocast("cpu", enabled=False):
            graph = cnn_to_onnx(stream, side=side, flow_channels=FLOW_CHANNELS)
        return OpenVinoRunner(
            name="rgb" if stream.channels_last else "flow",
            model=graph,
            signature=Signature(
                inputs={"frames": ArraySpec("uint8", (None, *shape))},
                outputs={
                    "features": ArraySpec("float32", (None, stream.width)),
                    "attention": ArraySpec("float32", (None, None, None)),
                },
            ),
            precision=self._precision,
            threads=self._threads,
        )
