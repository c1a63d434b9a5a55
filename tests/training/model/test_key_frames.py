"""Equations (8) to (11), and the lanes: the same numbers one sample at a time."""

import math

import pytest
import torch

from training.model.key_frames import KeyFrameExploration, LaneState, LaneStep

D, H, C, K = 12, 8, 5, 10


@pytest.fixture
def head() -> KeyFrameExploration:
    torch.manual_seed(7)
    head = KeyFrameExploration(width=D, hidden=H, classes=C).eval()
    with torch.no_grad():
        head.attention.weight.mul_(20)  # so that beta is far from even
    return head


@pytest.fixture
def step(head: KeyFrameExploration) -> LaneStep:
    return LaneStep(key_frames=head, lanes=K)


def random_features(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def advance(
    step: LaneStep, state: LaneState, features: torch.Tensor, t: int
) -> tuple[LaneState, torch.Tensor, torch.Tensor]:
    """Sample t of every row: the new state, scores [B, k, C], logits [B, k]."""
    lane = torch.full((len(features),), t % K, dtype=torch.int32)
    *new, scores, logits = step(features, lane, *state)
    return LaneState(*new), scores, logits


@torch.no_grad()
def test_equations_8_to_11_by_hand() -> None:
    """Two frames, features of width 2. The LSTM's gates are shut or open all the way, so that
    after a frame of first feature 1 its output is tanh(tanh(20)), else 0: it forgets at once."""
    head = KeyFrameExploration(width=2, hidden=1, classes=2).eval()
    for parameter in head.parameters():
        parameter.zero_()
    inputs, _, bias, _ = head.lstm.all_weights[0]
    bias.copy_(torch.tensor([50.0, -50.0, 0.0, 50.0]))  # enter, forget, cell, out
    inputs[2, 0] = 20.0  # the cell reads the first feature
    open_output = math.tanh(1.0)  # tanh(20) is 1 in fp32
    head.attention.weight.fill_(math.log(3) / open_output)  # (10): ln 3 after such a frame, else 0
    head.attention.bias.fill_(4.0)  # which softmax cancels
    head.classifier.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    head.classifier.bias.copy_(torch.tensor([0.0, 0.5]))
    features = torch.tensor([[[[1.0, 8.0], [0.0, 4.0]]]])  # [1, 1, 2, 2]
    scores, beta = head(features)
    torch.testing.assert_close(beta, torch.tensor([[[0.75, 0.25]]]))  # (9): 3 and 1 of 4
    # (11): 3/4 · (1, 8) + 1/4 · (0, 4) = (0.75, 7); the classifier adds a half to the second.
    torch.testing.assert_close(scores, torch.tensor([[[0.75, 7.5]]]))


@torch.no_grad()
def test_segment_vector_is_the_beta_weighted_sum_of_features(head: KeyFrameExploration) -> None:
    features = random_features(2, 3, K, D)
    scores, beta = head(features)
    assert scores.shape == (2, 3, C)
    assert beta.shape == (2, 3, K)
    torch.testing.assert_close(beta.sum(-1), torch.ones(2, 3))
    assert beta.std(-1).min() > 0.01
    vectors = torch.einsum("bnk,bnkd->bnd", beta, features)
    torch.testing.assert_close(scores, head.classifier(vectors))


@torch.no_grad()
def test_beta_follows_an_lstm_written_out_by_hand(head: KeyFrameExploration) -> None:
    features = random_features(1, 1, 4, D)
    weight_ih, weight_hh, bias_ih, bias_hh = head.lstm.all_weights[0]
    h = c = torch.zeros(H)
    logits = []
    for x in features[0, 0]:
        gates = weight_ih @ x + bias_ih + weight_hh @ h + bias_hh
        i, f, g, o = gates.view(4, H)
        c = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = o.sigmoid() * c.tanh()
        logits.append(head.attention(h))
    torch.testing.assert_close(head(features)[1][0, 0], torch.cat(logits).softmax(0))


@torch.no_grad()
def test_segments_do_not_see_each_other(head: KeyFrameExploration) -> None:
    features = random_features(1, 3, K, D)
    alone = [head(features[:, n : n + 1])[0] for n in range(3)]
    torch.testing.assert_close(head(features)[0], torch.cat(alone, dim=1))


def test_the_bias_of_the_attention_gets_no_gradient(head: KeyFrameExploration) -> None:
    scores, _ = head(random_features(2, 3, K, D))
    scores.square().sum().backward()
    assert head.attention.bias.grad.abs().max() < 1e-5 * head.attention.weight.grad.abs().max()


def test_features_of_another_rank_are_refused(head: KeyFrameExploration) -> None:
    with pytest.raises(ValueError, match=r"\[B, N, k, D\], instead got \(30, 12\)"):
        head(torch.zeros(30, D))


@torch.no_grad()
def test_lanes_equal_whole_segments_over_a_long_sequence(
    head: KeyFrameExploration, step: LaneStep
) -> None:
    features = random_features(2, 500, D)
    state, worst = step.start(2), 0.0
    for t in range(500):
        state, scores, _ = advance(step, state, features[:, t], t)
        if t >= K - 1:
            whole, _ = head(features[:, None, t - K + 1 : t + 1])
            found = scores[:, (t + 1) % K]  # the lane that began k - 1 samples ago
            worst = max(worst, float((found - whole[:, 0]).abs().max()))
    assert worst < 2e-6


@torch.no_grad()
def test_every_lane_holds_its_partial_segment(head: KeyFrameExploration, step: LaneStep) -> None:
    features = random_features(1, 27, D)
    state = step.start(1)
    for t in range(27):
        state, scores, logits = advance(step, state, features[:, t], t)
    for age in range(K):  # samples that this lane has seen before the newest
        lane = (26 - age) % K
        part, beta = head(features[:, None, 26 - age :])
        torch.testing.assert_close(scores[0, lane], part[0, 0])
        # beta of the newest sample, from the running form
        newest = (logits[0, lane] - state.m[0, lane]).exp() / state.l[0, lane]
        torch.testing.assert_close(newest, beta[0, 0, -1])


@torch.no_grad()
def test_a_lane_is_cleared_by_selection(head: KeyFrameExploration, step: LaneStep) -> None:
    """What a lane held when its turn comes has no influence, be it NaN or infinite."""
    features = random_features(1, 1, D)[0]
    for poison in (float("nan"), float("inf"), -float("inf"), 1e38):
        state = LaneState(*(torch.full_like(part, poison) for part in step.start(1)))
        state, scores, logits = advance(step, state, features, 3)
        clean, clean_scores, clean_logits = advance(step, step.start(1), features, 3)
        for found, expected in zip(state, clean, strict=True):
            torch.testing.assert_close(found[:, 3], expected[:, 3], rtol=0, atol=0)
        torch.testing.assert_close(scores[:, 3], clean_scores[:, 3], rtol=0, atol=0)
        torch.testing.assert_close(logits[:, 3], clean_logits[:, 3], rtol=0, atol=0)


@torch.no_grad()
def test_the_first_sample_leaves_no_nan_anywhere(step: LaneStep) -> None:
    state, scores, logits = advance(step, step.start(2), random_features(2, D), 0)
    assert all(part.isfinite().all() for part in (*state, scores, logits))


@torch.no_grad()
def test_rows_may_stand_at_different_lanes(step: LaneStep) -> None:
    features = random_features(2, D)
    first, _, _ = advance(step, step.start(2), random_features(2, D, seed=9), 0)
    *together, scores, _ = step(features, torch.tensor([4, 7], dtype=torch.int32), *first)
    for row, lane in enumerate((4, 7)):
        own = LaneState(*(part[row : row + 1] for part in first))
        state, alone, _ = advance(step, own, features[row : row + 1], lane)
        torch.testing.assert_close(scores[row : row + 1], alone)
        for found, expected in zip(together, state, strict=True):
            torch.testing.assert_close(found[row : row + 1], expected)


@torch.no_grad()
def test_large_logits_do_not_overflow(head: KeyFrameExploration, step: LaneStep) -> None:
    head.attention.weight.mul_(1000)
    features = random_features(1, 30, D)
    state = step.start(1)
    for t in range(30):
        state, scores, _ = advance(step, state, features[:, t], t)
    whole, _ = head(features[:, None, 20:30])
    torch.testing.assert_close(scores[:, 0], whole[:, 0])
