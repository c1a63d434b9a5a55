"""TensorFlow's padding, SAME, of convolutions of stride 2: at the end of a picture's sides."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EndPaddedConv2d(nn.Conv2d):
    """A 3x3 convolution of stride 2 with TensorFlow's padding, SAME.

    An even side is padded by one zero at its end, where torch's own padding has it at the
    beginning; an odd side by one at both. The output is as large as torch's.
    """

    def forward(self, images: Tensor) -> Tensor:
        at_begin = [int(side) % 2 for side in images.shape[-2:]]
        given = images, self.weight, self.bias, at_begin, self.groups
        if torch.onnx.is_in_onnx_export():
            return cast(Tensor, _EndPadded.apply(*given))
        return _end_padded(*given)


def _end_padded(
    images: Tensor, weight: Tensor, bias: Tensor | None, at_begin: Sequence[int], groups: int
) -> Tensor:
    """at_begin: how many zeros go before the rows, and before the columns."""
    # Of an even side: two zeros at both ends, and the first place dropped. The last zero is never
    # reached.
    more = [1 - zeros for zeros in at_begin]
    padding = [1 + each for each in more]
    places = F.conv2d(images, weight, bias, stride=2, padding=padding, groups=groups)
    return places[..., more[0] :, more[1] :]


class _EndPadded(torch.autograd.Function):
    """The same as the one operation that it is to ONNX. Traced as torch computes it, a slice stands
    between the convolution and what a device could compute along with it, and TensorRT can't read
    how its bounds are written.
    """

    @staticmethod
    def forward(
        _context: Any,
        images: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        at_begin: Sequence[int],
        groups: int,
    ) -> Tensor:
        # No view: an activation in place may come behind it.
        return _end_padded(images, weight, bias, at_begin, groups).clone()

    @staticmethod
    def symbolic(
        graph: Any, images: Any, weight: Any, bias: Any, at_begin: Sequence[int], groups: int
    ) -> Any:
        """What the tracing exporter writes."""
        optional = () if bias is None else (bias,)
        return graph.op(
            "Conv",
            images,
            weight,
            *optional,
            kernel_shape_i=(3, 3),
            strides_i=(2, 2),
            pads_i=(*at_begin, 1, 1),
            group_i=groups,
        )
