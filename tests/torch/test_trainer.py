"""Means under gradient accumulation, and the adapter for Hugging Face's Trainer."""

import pickle
from collections import OrderedDict

import pytest
import torch

import losskit as lk
import losskit.torch as nn_losses

BATCHES = (slice(0, 5), slice(5, 6), slice(6, 10))


def data():
    random = torch.Generator().manual_seed(0)
    labels = torch.randint(3, (10,), generator=random)
    labels[[1, 4, 5]] = -100
    return torch.randn(10, 3, generator=random), labels


@pytest.mark.parametrize(
    "module",
    [
        nn_losses.CrossEntropyLoss(),
        nn_losses.CrossEntropyLoss(torch.tensor([1.0, 2.0, 0.5])),
        nn_losses.NLLLoss(),
        nn_losses.SparseCategoricalCrossEntropy(from_logits=True, ignore_index=-100),
        nn_losses.SparseCategoricalCrossEntropy(
            from_logits=True, ignore_index=-100, class_weights=[1, 2, 0.5]
        ),
        nn_losses.compute_loss_func(),
    ],
    ids=repr,
)
def test_accumulation_is_the_gradient_of_the_whole(module):
    logits, labels = data()
    items = int((labels != -100).sum())
    name = "num_items" if isinstance(module, torch.nn.Module) else "num_items_in_batch"
    for n in (items, torch.tensor(items)):
        whole, parts = logits.clone().requires_grad_(), logits.clone().requires_grad_()
        value = module(whole, labels, **{name: n})
        value.backward()
        sum(module(parts[i], labels[i], **{name: n}) for i in BATCHES).backward()
        torch.testing.assert_close(parts.grad, whole.grad)
        if getattr(module, "weight", None) is None:
            torch.testing.assert_close(value, module(whole, labels))


def test_num_items_of_other_losses():
    y, p = torch.zeros(4), torch.tensor([1.0, 2.0, 3.0, 4.0])
    assert nn_losses.MSELoss()(p, y, num_items=10) == 3.0
    assert nn_losses.MSELoss()(p, y, num_items=10, mask=torch.tensor([1, 1, 0, 0]) > 0) == 0.5
    both = nn_losses.LossModule(lk.MeanSquaredError() + lk.KLDivergence(from_logits=True))
    rows = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.5, 0.5]])
    torch.testing.assert_close(
        both(*rows, num_items=4),
        (2 * lk.MeanSquaredError()(rows[1], rows[0]) + lk.KLDivergence(from_logits=True)(rows[1], rows[0]))
        / 4,
    )
    assert nn_losses.MSELoss()(p, y, num_items=0) == 0.0
    with pytest.raises(ValueError, match="num_items is the denominator of a mean, but reduction='sum'"):
        nn_losses.MSELoss(reduction="sum")(p, y, num_items=4)


def test_outputs_of_any_kind():
    logits, labels = data()
    f = nn_losses.compute_loss_func()
    truth = torch.nn.functional.cross_entropy(logits, labels)
    for outputs in (logits, (logits, None), {"logits": logits}, OrderedDict(loss=None, logits=logits)):
        torch.testing.assert_close(f(outputs, labels), truth)
    with pytest.raises(TypeError, match="the model's outputs must hold 'logits'"):
        f({"scores": logits}, labels)
    torch.testing.assert_close(pickle.loads(pickle.dumps(f))(logits, labels), truth)


def test_language_models_look_one_token_ahead():
    logits, labels = torch.randn(2, 6, 7), torch.randint(7, (2, 6))
    labels[0, 3:] = -100
    f = nn_losses.compute_loss_func(shift=True)
    truth = torch.nn.functional.cross_entropy(logits[:, :-1].reshape(-1, 7), labels[:, 1:].reshape(-1))
    torch.testing.assert_close(f({"logits": logits}, labels), truth)


def test_regression_heads():
    f = nn_losses.compute_loss_func(lk.HuberLoss())
    outputs, labels = torch.randn(5, 1), torch.randn(5)
    torch.testing.assert_close(f((outputs,), labels), lk.HuberLoss()(labels, outputs[:, 0]))
