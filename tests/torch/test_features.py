"""Losses of activations, and penalties on gradients, on torch modules."""

import math

import pytest
import torch
from safetensors.torch import save_file

import losskit as lk
import losskit.torch as nn_losses
from losskit.torch.features import gram_matrix


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Dropout(), torch.nn.Conv2d(3, 2, 3)
    )


def images():
    return torch.rand(2, 2, 1, 8, 8, generator=torch.Generator().manual_seed(1)).unbind(0)


def test_a_perceptual_loss_is_the_loss_of_activations():
    judge = network()
    x, y = images()
    criterion = nn_losses.PerceptualLoss(judge, {"1": 2.0, "3": 0.5}, loss=lk.MeanAbsoluteError())
    first = torch.relu(judge[0](x)), torch.relu(judge[0](y))
    expected = (
        2.0 * (first[0] - first[1]).abs().mean()
        + 0.5 * (judge[3](first[0]) - judge[3](first[1])).abs().mean()
    )
    torch.testing.assert_close(criterion(x, y), expected)
    assert criterion(x, x) == 0.0


def test_the_network_is_frozen_and_stays_in_evaluation():
    x, y = images()
    criterion = nn_losses.PerceptualLoss(network(), ["3"])
    criterion.train()
    x.requires_grad_()
    value = criterion(x, y)
    value.backward()
    assert value == criterion(x, y), "dropout is off"
    assert x.grad.abs().sum() > 0.0
    assert all(p.grad is None for p in criterion.parameters())
    assert not criterion.network[0]._forward_hooks, "no hook stays behind"


def test_style_does_not_ask_where():
    x, _ = images()
    criterion = nn_losses.StyleLoss(torch.nn.Sequential(torch.nn.Conv2d(1, 4, 1)), ["0"])
    shuffled = x.flatten(2)[..., torch.randperm(64)].reshape(x.shape)
    assert criterion(shuffled, x) < 1e-12
    assert criterion(2.0 * x, x) > 1e-4
    flat = torch.rand(1, 2, 5)
    torch.testing.assert_close(gram_matrix(flat)[0, 0, 1], (flat[0, 0] * flat[0, 1]).sum() / 10)


def test_weights_come_from_safetensors(tmp_path):
    source, x, y = network(), *images()
    path = tmp_path / "weights.safetensors"
    save_file(source.state_dict(), path)
    other = torch.nn.Sequential(
        *(type(m)(*a) for m, a in zip(source, [(1, 3, 3), (), (), (3, 2, 3)], strict=True))
    )
    loaded = nn_losses.PerceptualLoss(other, ["3"], weights=path)
    assert loaded(x, y) == nn_losses.PerceptualLoss(source, ["3"])(x, y)
    with pytest.raises(
        ValueError, match=r"must be a .safetensors file, got 'weights.pt': other formats can run code"
    ):
        nn_losses.PerceptualLoss(other, ["3"], weights="weights.pt")
    with pytest.raises(FileNotFoundError, match=r"there is no file"):
        nn_losses.PerceptualLoss(other, ["3"], weights=tmp_path / "none.safetensors")
    save_file({"0.weight": torch.zeros(1)}, path)
    with pytest.raises(ValueError, match=r"does not fit the network"):
        nn_losses.PerceptualLoss(other, ["3"], weights=path)


def test_layers_that_are_not_there():
    with pytest.raises(ValueError, match=r"the network has no layer '9'"):
        nn_losses.PerceptualLoss(network(), ["9"])
    with pytest.raises(ValueError, match="at least one layer"):
        nn_losses.PerceptualLoss(network(), [])
    unused = network()
    unused.add_module("spare", torch.nn.Identity())
    unused.forward = lambda x: unused[0](x)
    with pytest.raises(ValueError, match=r"'spare' is not run"):
        nn_losses.PerceptualLoss(unused, ["spare"])(*images())
    with pytest.raises(ValueError, match="same shape"):
        nn_losses.PerceptualLoss(network(), ["0"])(torch.zeros(1, 1, 8, 8), torch.zeros(2, 1, 8, 8))


def test_a_gradient_penalty_is_finite_at_a_gradient_of_zero():
    weight = torch.zeros(3, requires_grad=True)
    penalty = nn_losses.gradient_penalty(lambda x: x @ weight, torch.rand(5, 3), torch.rand(5, 3))
    penalty.backward()
    assert penalty == 1.0
    assert torch.equal(weight.grad, torch.zeros(3)), "the subgradient of least size, not NaN"


@pytest.mark.parametrize("scale", [1e-30, 1.0, 1e30])
def test_a_gradient_penalty_has_any_scale(scale):
    weight = torch.tensor([3.0, 4.0], requires_grad=True)
    penalty = nn_losses.gradient_penalty(
        lambda x: scale * (x @ weight), torch.rand(2, 2), torch.rand(2, 2), target=0.0
    )
    expected = (5.0 * scale) ** 2 if scale < 1e20 else math.inf  # beyond float32
    assert penalty.item() == pytest.approx(expected if expected > 1e-45 else 0.0, rel=1e-6)
    real = torch.rand(2, 2)
    assert nn_losses.r1_penalty(lambda x: x @ weight, real).item() == pytest.approx(12.5)


def test_penalties_train_the_critic():
    critic = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 1)).double()
    x = torch.rand(6, 3, dtype=torch.float64)
    weight = critic[0].weight
    (gradient,) = torch.autograd.grad(nn_losses.r1_penalty(critic, x), weight)
    ends = []
    for step in (1e-6, -2e-6):
        with torch.no_grad():
            weight[0, 0] += step
        ends.append(nn_losses.r1_penalty(critic, x).item())
    assert gradient[0, 0].item() == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-6)


def test_a_critic_that_ignores_its_samples():
    with pytest.raises(ValueError, match="must depend on the samples"):
        nn_losses.r1_penalty(lambda x: torch.zeros(3), torch.rand(3, 2))
    with pytest.raises(ValueError, match="same shape"):
        nn_losses.gradient_penalty(lambda x: x, torch.zeros(2), torch.zeros(3))
