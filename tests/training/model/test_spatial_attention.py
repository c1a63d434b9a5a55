"""Equations (3) to (7): the pyramid's bins, the softmax, the gain, and where gradients go."""

import math

import pytest
import torch
import torch.nn.functional as F

from training.model.spatial_attention import (
    PlainPooling,
    SpatialAttention,
    nearest_indices,
    pooling_of,
)


def maps(batch: int = 2, *, width: int = 6, side: int = 7) -> torch.Tensor:
    return torch.rand(batch, width, side, side, generator=torch.Generator().manual_seed(2))


@pytest.mark.parametrize(
    ("side", "bins", "kernel_stride"),
    [
        (7, 1, (7, 7)),  # one bin over everything
        (7, 3, (3, 2)),
        (7, 5, (3, 1)),
        (7, 7, None),  # the map itself
        (5, 1, (5, 5)),
        (5, 3, (3, 1)),
        (5, 5, None),
        (5, 7, None),
        (10, 7, (4, 1)),
        (14, 7, (2, 2)),
    ],
)
def test_pooling_rule(side: int, bins: int, kernel_stride: tuple[int, int] | None) -> None:
    assert pooling_of(side, bins) == kernel_stride


@pytest.mark.parametrize("side", range(2, 20))
@pytest.mark.parametrize("bins", [1, 3, 5, 7])
def test_every_level_has_exactly_its_bins_and_covers_the_map(side: int, bins: int) -> None:
    pooling = pooling_of(side, bins)
    if pooling is None:
        assert bins >= side
        return
    kernel, stride = pooling
    assert F.max_pool2d(torch.zeros(1, 1, side, side), kernel, stride).shape[-1] == bins
    assert (bins - 1) * stride + kernel == side  # the last bin ends with the map


def test_nearest_bins_by_hand() -> None:
    # Centres of 7 positions at 0.5/7 ... 6.5/7; bins of thirds end at 2.33 and 4.67.
    assert nearest_indices(3, 7) == [0, 0, 1, 1, 1, 2, 2]
    assert nearest_indices(5, 7) == [0, 1, 1, 2, 3, 3, 4]
    assert nearest_indices(3, 5) == [0, 0, 1, 2, 2]
    assert nearest_indices(1, 4) == [0, 0, 0, 0]


@torch.no_grad()
def test_equations_3_to_7_by_hand() -> None:
    """One feature on a 3x3 map, weights 1 for the level of three bins, which is the map itself,
    and 5 for that of one, which softmax cancels as it does the bias."""
    attention = SpatialAttention(width=1)
    for level, weight in zip(attention.levels, (5.0, 1.0, 0.0, 0.0), strict=True):
        level.weight.fill_(weight)
    attention.bias.fill_(-2.0)
    # exp of the map is 8 in one place, 4 in two and 1 in six: 22 in all.
    ln2 = math.log(2)
    x = torch.tensor([[3 * ln2, 0, 0], [0, 2 * ln2, 0], [0, 0, 2 * ln2]])
    features, alpha = attention(x.view(1, 1, 3, 3))
    expected = torch.tensor([[8, 1, 1], [1, 4, 1], [1, 1, 4]]) / 22  # (4)
    torch.testing.assert_close(alpha, expected[None])
    # (6): 8/22 · 3 ln 2 + 2 · (4/22 · 2 ln 2) = 40/22 ln 2 in all; (7): the mean of that and of the
    # map's 7 ln 2 over nine places.
    assert features.item() == pytest.approx((40 / 22 + 7) / 9 * ln2)


@torch.no_grad()
def test_equation_5_by_hand_with_three_bins_of_a_map_of_seven() -> None:
    """Bins of three positions every two: the largest of each, given to the nearest positions."""
    attention = SpatialAttention(width=1)
    for level, weight in zip(attention.levels, (0.0, 1.0, 0.0, 0.0), strict=True):
        level.weight.fill_(weight)
    x = torch.zeros(1, 1, 7, 7)
    x[0, 0, 2, 6] = math.log(3)  # in the bins of rows 0..2 and 2..4, columns 4..6
    alpha = attention(x)[1][0]
    # Rows 0, 1 are the first bin's and 2, 3, 4 the second's; columns 5, 6 the last one's. So ten
    # of the 49 positions have weight 3, and the others 1.
    expected = torch.ones(7, 7)
    expected[:5, 5:] = 3
    torch.testing.assert_close(alpha, expected / (10 * 3 + 39))


def concatenated(attention: SpatialAttention, x: torch.Tensor) -> torch.Tensor:
    """(5) as the paper writes it: levels upsampled, concatenated on channels, one convolution."""
    side = x.shape[-1]
    levels = []
    for bins in (1, 3, 5, 7):
        pooling = pooling_of(side, bins)
        level = x if pooling is None else F.max_pool2d(x, *pooling)
        levels.append(F.interpolate(level, size=(side, side), mode="nearest-exact"))
    weight = torch.cat([level.weight for level in attention.levels], dim=1)  # [1, 4C, 1, 1]
    return F.conv2d(torch.cat(levels, dim=1), weight, attention.bias)


@pytest.mark.parametrize("side", [4, 5, 7, 10])
@torch.no_grad()
def test_equals_the_papers_form(side: int) -> None:
    torch.manual_seed(0)
    attention, x = SpatialAttention(width=6), maps(side=side)
    alpha = concatenated(attention, x).flatten(1).softmax(1).view(2, 1, side, side)
    features, found = attention(x)
    torch.testing.assert_close(found, alpha[:, 0])
    torch.testing.assert_close(features, F.adaptive_avg_pool2d(alpha * x + x, 1).flatten(1))


@torch.no_grad()
def test_attention_is_a_distribution_over_positions() -> None:
    _, alpha = SpatialAttention(width=6)(100 * maps())
    assert alpha.shape == (2, 7, 7)
    assert (alpha >= 0).all()
    torch.testing.assert_close(alpha.sum((1, 2)), torch.ones(2))


@torch.no_grad()
def test_a_gain_of_all_positions_adds_an_attention_weighted_mean_to_the_plain_one() -> None:
    torch.manual_seed(0)
    attention, x = SpatialAttention(width=6, gain=49.0), maps()
    features, alpha = attention(x)
    weighted = torch.einsum("bhw,bdhw->bd", alpha, x)
    torch.testing.assert_close(features, weighted + x.mean((2, 3)))
    # The paper's own gain leaves a 49th of it.
    attention.gain = 1.0
    torch.testing.assert_close(attention(x)[0], weighted / 49 + x.mean((2, 3)))


def test_the_one_bin_level_and_the_bias_get_no_gradient() -> None:
    torch.manual_seed(0)
    attention = SpatialAttention(width=6, gain=49.0)
    features, _ = attention(maps())
    features.square().sum().backward()
    one, *others = attention.levels
    scale = min(float(level.weight.grad.abs().max()) for level in others)
    assert scale > 1e-3
    assert one.weight.grad.abs().max() < 1e-4 * scale
    assert attention.bias.grad.abs().max() < 1e-4 * scale


def test_a_map_that_is_not_square_is_refused_with_its_sides() -> None:
    with pytest.raises(ValueError, match=r"square, instead got \(7, 5\)"):
        SpatialAttention(width=6)(torch.zeros(1, 6, 7, 5))


def test_a_negative_gain_is_refused() -> None:
    with pytest.raises(ValueError, match="-1"):
        SpatialAttention(width=6, gain=-1)


def test_the_baseline_is_average_pooling_with_an_even_map() -> None:
    features, alpha = PlainPooling()(maps())
    torch.testing.assert_close(features, maps().mean((2, 3)))
    torch.testing.assert_close(alpha, torch.full((2, 7, 7), 1 / 49))
