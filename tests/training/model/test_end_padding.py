"""TensorFlow's padding by hand: which pixels the first and the last output see."""

import pytest
import torch

from training.model.end_padding import EndPaddedConv2d


@pytest.mark.parametrize(
    ("side", "first", "last"),
    [
        # Kernel of ones, stride 2, picture of ones. An even side is padded at its end only, so
        # the first output sees 3x3 pixels and the last 2x2; an odd one at both: 2x2 and 2x2.
        (4, 9.0, 4.0),
        (5, 4.0, 4.0),
    ],
)
def test_tensorflows_padding_lies_at_the_end(side: int, first: float, last: float) -> None:
    conv = EndPaddedConv2d(1, 1, 3, stride=2, padding=1, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        found = conv(torch.ones(1, 1, side, side))[0, 0]
    assert found.shape == ((side + 1) // 2, (side + 1) // 2)
    assert (found[0, 0].item(), found[-1, -1].item()) == (first, last)
