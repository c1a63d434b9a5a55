"""A convolution in 8 bits: what its numbers will be where a device computes with integers.

Its input has one scale and its weights one for each output channel, all of them symmetric (zero is
0), which is what TensorRT and OpenVINO both run. Rounding is simulated in floats; the exporter
writes it as QuantizeLinear and DequantizeLinear.

Rounded weights shift a layer's mean output: a depthwise filter whose weights should cancel each
other no longer does, and every frame is off by the same amount. The bias takes that back, measured
on clips: bias correction (Nagel et al., ICCV 2019, section 4.2).

Shapes: B images, I input and O output channels, h w rows and columns.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

_LARGEST = 127  # of 8 bits with a sign, the same on both sides
_LOWEST = -128  # the exporter knows no other range
_TINY = 1e-12  # a scale for channels in which there is nothing


class RoundedWeights(nn.Module):
    """Weights [O, I, kh, kw] to the nearest of 8 bits, as their `parametrization`."""

    scale: Tensor
    zero: Tensor

    def __init__(self, weights: Tensor) -> None:
        super().__init__()
        scale = weights.detach().abs().amax((1, 2, 3)) / _LARGEST  # [O]
        self.register_buffer("scale", scale.clamp_min(_TINY))
        self.register_buffer("zero", torch.zeros(len(scale), dtype=torch.int32))

    def forward(self, weights: Tensor) -> Tensor:
        return torch.fake_quantize_per_channel_affine(
            weights, self.scale, self.zero, 0, _LOWEST, _LARGEST
        )


class QuantisedConv2d(nn.Module):
    """Takes the place of `convolution`, which must have a bias, and which it changes.

    Until `quantise` is called it computes in floats, and notes what it sees.
    """

    def __init__(self, convolution: nn.Conv2d) -> None:
        super().__init__()
        assert convolution.bias is not None
        self.convolution = convolution
        self.bias = convolution.bias
        self.input_range = 0.0  # the largest input so far, of either sign
        self.quantises = False
        self._wanted: Tensor | None = None  # the last images' mean outputs [O], in floats

    def forward(self, images: Tensor) -> Tensor:
        """[B, I, h, w] -> [B, O, h, w]."""
        if not self.quantises:
            self.input_range = max(self.input_range, float(images.abs().max()))
            outputs = cast(Tensor, self.convolution(images))
            self._wanted = outputs.mean((0, 2, 3))
            return outputs
        scale = max(self.input_range / _LARGEST, _TINY)
        images = torch.fake_quantize_per_tensor_affine(images, scale, 0, _LOWEST, _LARGEST)
        outputs = cast(Tensor, self.convolution(images))
        if self._wanted is not None:
            shift, self._wanted = self._wanted - outputs.mean((0, 2, 3)), None
            self.bias.add_(shift)
            outputs = outputs + shift.view(-1, 1, 1)
        return outputs

    def quantise(self) -> None:
        """Round from now on. Run the last images once more: they correct the bias."""
        parametrize.register_parametrization(
            self.convolution, "weight", RoundedWeights(self.convolution.weight)
        )
        self.quantises = True
