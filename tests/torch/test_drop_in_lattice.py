"""torch's CTCLoss and ours: one answer on ordinary input, and a gradient where torch has NaN."""

import copy
import pickle
import warnings

import pytest
import torch

import losskit as lk
from losskit.torch.drop_in_lattice import CTCLoss

FRAMES, LABELS = torch.tensor([20, 18, 15, 9]), torch.tensor([5, 0, 3, 2])


@pytest.fixture
def scores():
    return torch.randn(20, 4, 6, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def targets():
    return torch.randint(1, 6, (4, 5), generator=torch.Generator().manual_seed(1))


def answers(module, scores, *arguments):
    x = scores.clone().requires_grad_()
    value = module(x.log_softmax(-1), *arguments)
    return value.detach(), *torch.autograd.grad(value.sum(), x)


def same(parameters, *arguments):
    for got, expected in zip(
        answers(CTCLoss(**parameters), *arguments),
        answers(torch.nn.CTCLoss(**parameters), *arguments),
        strict=True,
    ):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_shapes_and_lengths(reduction, scores, targets):
    row = torch.cat([y[:n] for y, n in zip(targets, LABELS, strict=True)])
    for y in (targets, row, targets.int()):
        for lengths in (
            (FRAMES, LABELS),
            (FRAMES.int(), LABELS.int()),
            (tuple(FRAMES.tolist()), tuple(LABELS.tolist())),
        ):
            same({"reduction": reduction}, scores, y, *lengths)
    same({"reduction": reduction}, scores[:, 0], targets[0], torch.tensor(20), torch.tensor(5))
    same({"reduction": reduction, "blank": 5}, scores, targets - 1, FRAMES, LABELS)


def test_torchs_own_inputs():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    (info,) = (m for m in module_db if m.module_cls is torch.nn.CTCLoss)
    for case in info.module_inputs_func(
        info, device="cpu", dtype=torch.double, requires_grad=True, training=True
    ):
        options, (scores, *others) = case.constructor_input.kwargs, case.forward_input.args
        got, expected = CTCLoss(**options)(scores, *others), torch.nn.CTCLoss(**options)(scores, *others)
        torch.testing.assert_close(got, expected)


def test_targets_that_no_path_spells(scores, targets):
    frames = torch.tensor([20, 18, 15, 1])
    for zero in (False, True):
        value, slope = answers(CTCLoss(reduction="none", zero_infinity=zero), scores, targets, frames, LABELS)
        assert value[3] == (0.0 if zero else torch.inf)
        assert not slope[:, 3].any()
        assert slope[:, 0].any()
    same({"zero_infinity": True}, scores, targets, frames, LABELS)


def test_the_derivative_is_that_in_the_log_probabilities(scores, targets):
    x = scores[:5, :2].double().log_softmax(-1).requires_grad_()

    def loss(x):
        return CTCLoss()(x, targets[:2, :2], torch.tensor([5, 4]), torch.tensor([2, 1]))

    assert torch.autograd.gradcheck(loss, (x,))
    assert torch.autograd.gradgradcheck(loss, (x,))
    torch.testing.assert_close(torch.func.grad(loss)(x.detach()), torch.autograd.grad(loss(x), x)[0])


def test_a_module_like_others(scores, targets):
    module = CTCLoss(blank=0, zero_infinity=True)
    assert repr(module) == "CTCLoss(blank=0, reduction='mean', zero_infinity=True)"
    expected = module(scores.log_softmax(-1), targets, FRAMES, LABELS)
    for other in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module)):
        assert other(scores.log_softmax(-1), targets, FRAMES, LABELS) == expected
    assert module.state_dict() == {}


def test_mistakes(scores, targets):
    x = scores.log_softmax(-1)
    with pytest.raises(IndexError, match=r"target must be in 0\.\.5, the classes of input, got 9"):
        CTCLoss()(x, targets + 4, FRAMES, LABELS)
    with pytest.raises(IndexError, match=r"logit_lengths must be in 0\.\.20, the frames of input"):
        CTCLoss()(x, targets, FRAMES + 1, LABELS)
    with pytest.raises(ValueError, match="reduction must be one of"):
        CTCLoss(reduction="max")


def test_the_loss_itself_takes_tensors(scores, targets):
    x = scores.requires_grad_()
    lk.CTCLoss(from_logits=True)(targets, x, LABELS, FRAMES).backward()
    expected = lk.CTCLoss(from_logits=True).derivative(
        targets.numpy(), scores.detach().numpy(), LABELS.numpy(), FRAMES.numpy()
    )
    torch.testing.assert_close(x.grad, torch.from_numpy(expected))
