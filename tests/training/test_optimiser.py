"""One phase's optimiser: its schedule and its steps, by hand."""

import pytest
import torch
from torch import nn

from tests.training.stage1_clips import phase
from training.device import CPU
from training.optimiser import Optimiser, learning_rate


def _optimiser(model: nn.Module, **options: object) -> Optimiser:
    settings = phase(epochs=1, learning_rate=0.1, warm_up_epochs=0.0, **options)
    return Optimiser(model, settings, step=0, steps_per_epoch=2, device=CPU, precision="bf16")


def test_the_rate_warms_up_and_falls_to_zero_along_half_a_cosine() -> None:
    settings = phase(epochs=3, learning_rate=0.4, warm_up_epochs=1.0)
    rates = [learning_rate(settings, step, 4) for step in range(12)]
    assert rates[:5] == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.4])
    assert rates[8] == pytest.approx(0.2)  # half of the way from step 4 to 12
    assert 0 < rates[11] < 0.02
    assert learning_rate(settings, 12, 4) == pytest.approx(0.0)


def test_sgd_keeps_nine_tenths_of_its_last_step() -> None:
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimiser = _optimiser(model, optimiser="sgd", momentum=0.9, weight_decay=0.0)
    places = []
    for _ in range(2):
        optimiser.backward(-model.weight.sum() * 0.5)  # a gradient of -0.5
        optimiser.backward(-model.weight.sum() * 0.5)  # and another, for the same step
        rate = optimiser.learning_rate
        optimiser.step()
        places.append((rate, model.weight.item()))
    (first, one), (second, two) = places
    assert (first, second) == pytest.approx((0.1, 0.1))  # a step of warm-up, then the cosine's top
    assert one == pytest.approx(first * 1.0)
    assert two - one == pytest.approx(second * (1.0 + 0.9))


def test_large_gradients_are_cut_to_a_norm_of_five() -> None:
    model = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(model.weight)
    optimiser = _optimiser(model, optimiser="sgd", momentum=0.0, weight_decay=0.0)
    optimiser.backward((model.weight * torch.tensor([[-30.0], [-40.0]])).sum())
    optimiser.step()
    assert model.weight.flatten().tolist() == pytest.approx([0.3, 0.4], rel=1e-5)


def test_weights_decay_and_biases_do_not() -> None:
    model = nn.Linear(1, 1)
    nn.init.ones_(model.weight)
    nn.init.ones_(model.bias)
    optimiser = _optimiser(model, optimiser="sgd", momentum=0.0, weight_decay=0.5)
    optimiser.backward(0.0 * (model.weight.sum() + model.bias.sum()))
    optimiser.step()
    assert (model.weight.item(), model.bias.item()) == pytest.approx((1 - 0.1 * 0.5, 1.0))


def test_in_fp16_the_loss_is_scaled_and_the_step_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    # What a GPU without bf16 computes in; the scaler itself works on a CPU too.
    monkeypatch.setattr("training.device.half_type", lambda device, precision: torch.float16)
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimiser = _optimiser(model, optimiser="sgd", momentum=0.0, weight_decay=0.0)
    optimiser.backward(-model.weight.sum())
    assert model.weight.grad is not None
    assert model.weight.grad.item() < -1000
    optimiser.step()
    assert model.weight.item() == pytest.approx(0.1)
    optimiser.backward(model.weight.sum() * float("inf"))  # such a step is left out
    optimiser.step()
    assert model.weight.item() == pytest.approx(0.1)
    before = optimiser.state_dict()["scaler"]["scale"]
    other = _optimiser(model, optimiser="sgd")
    other.load_state_dict(optimiser.state_dict())
    assert other.state_dict()["scaler"]["scale"] == before < 65536


def test_a_backbone_learns_at_its_part_of_the_rate() -> None:
    class Stream(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.backbone = nn.Linear(1, 1)
            self.attention = nn.Linear(1, 1)

    model = nn.ModuleDict({"stream": Stream(), "classifier": nn.Linear(1, 1)})
    for parameter in model.parameters():
        nn.init.zeros_(parameter)
    optimiser = _optimiser(model, optimiser="sgd", momentum=0.0, backbone_rate=0.05)
    optimiser.backward(-torch.stack([p.sum() for p in model.parameters()]).sum())
    optimiser.step()
    moved = {name: p.item() for name, p in model.named_parameters()}
    largest = moved["classifier.weight"]
    assert largest > 0
    for name, distance in moved.items():
        expected = largest * (0.05 if "backbone" in name else 1.0)
        assert distance == pytest.approx(expected), name
