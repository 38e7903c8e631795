"""Every class in losskit.torch under torch.compile, in one graph."""

import math

import pytest
import torch

import losskit as lk
import losskit.torch as nn_losses
from torch_cases import CASES


@pytest.fixture(autouse=True)
def fresh():
    torch._dynamo.reset()


def compiled(module, backend):
    return torch.compile(module, fullgraph=True, backend=backend, dynamic=False)


def check(case, backend):
    module, p, y = case(torch.float32)
    q = p.clone().requires_grad_()
    p.requires_grad_()
    truth, value = module(p, y), compiled(module, backend)(q, y)
    truth.backward()
    value.backward()
    torch.testing.assert_close(value, truth, rtol=1e-6, atol=0.0)
    torch.testing.assert_close(q.grad, p.grad, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_in_one_graph(case):
    check(case, "eager")


SOME = [
    case
    for case in CASES
    if case.name in ("MSELoss", "CrossEntropyLoss(weight)", "KLDivergence()", "FocalLoss()")
]


@pytest.mark.parametrize("case", SOME, ids=lambda case: case.name)
def test_with_autograd_traced_too(case):
    check(case, "aot_eager")


@pytest.mark.parametrize(
    "case", [c for c in SOME if "Cross" in c.name or "Focal" in c.name], ids=lambda case: case.name
)
def test_compiled_to_machine_code(case):
    check(case, "inductor")


def test_weights_masks_and_denominators():
    module = nn_losses.HuberLoss()
    function = torch.compile(
        lambda p, y, w, m, n: module(p, y, sample_weight=w, mask=m, num_items=n),
        fullgraph=True,
        backend="aot_eager",
    )
    p, y = torch.tensor([1.0, math.nan, 3.0, 5.0]), torch.zeros(4)
    w, m = torch.tensor([1.0, 2.0, 3.0, 0.0]), torch.tensor([True, False, True, True])
    assert function(p, y, w, m, None) == (0.5 + 3 * 2.5) / 4
    assert function(p, y, w, m, 10.0) == (0.5 + 3 * 2.5) / 10
    assert function(p, y, w, torch.zeros(4, dtype=torch.bool), None) == 0.0


def test_a_sum_of_losses():
    module = nn_losses.LossModule(
        0.5 * lk.HuberLoss() + lk.KLDivergence(from_logits=True) + 2.0 * lk.LogCoshLoss()
    )
    p, y = torch.tensor([[1.0, 2.0]]), torch.tensor([[0.25, 0.75]])
    torch.testing.assert_close(compiled(module, "aot_eager")(p, y), module(p, y))


def test_what_cannot_be_refused_is_nan():
    """A traced call cannot look at values: bad ones answer NaN, never a plausible number."""
    bad = {
        nn_losses.BinaryCrossEntropy(): ([0.5, 0.5], [0.0, 1.5]),
        nn_losses.BCELoss(): ([0.5, 1.5], [0.0, 1.0]),
        nn_losses.HingeLoss(): ([0.5, 0.5], [1.0, 0.0]),
        nn_losses.KLDivergence(): ([0.5, 0.5], [0.5, 0.75]),
        nn_losses.CategoricalCrossEntropy(): ([0.25, 0.25], [1.0, 0.0]),
    }
    for module, (p, y) in bad.items():
        p, y = torch.tensor([p]), torch.tensor([y])
        with pytest.raises(ValueError, match=r"must be"):
            module(p, y)
        assert torch.isnan(compiled(module, "eager")(p, y)), module
        assert torch.isnan(torch.func.grad(module)(p, y)).any(), module
        assert torch.isnan(torch.vmap(module)(p[None], y[None])).all(), module
    weighted = nn_losses.MSELoss()
    with pytest.raises(ValueError, match=r"sample_weight must be finite and at least 0"):
        weighted(torch.ones(2), torch.ones(2), sample_weight=torch.tensor([1.0, -1.0]))
    w = torch.tensor([1.0, -1.0])
    assert torch.isnan(
        torch.func.grad(lambda p: weighted(p, torch.ones(2), sample_weight=w))(torch.ones(2))
    ).any()


INDEXED = [
    nn_losses.CrossEntropyLoss(),
    nn_losses.CrossEntropyLoss(torch.ones(3)),
    nn_losses.NLLLoss(),
    nn_losses.SparseCategoricalCrossEntropy(from_logits=True, validate=False),
    nn_losses.CategoricalFocalLoss(validate=False),
]


@pytest.mark.parametrize("index", [3, -1, 2**40, -(2**40)])
@pytest.mark.parametrize("module", INDEXED, ids=repr)
def test_an_index_out_of_range_is_never_read(module, index):
    p, y = torch.full((2, 3), 0.25), torch.tensor([0, index])
    with pytest.raises(IndexError, match=rf"target must be in 0\.\.2.* got {index} at index 1"):
        module(p, y)
    assert torch.isnan(torch.func.grad(module)(p, y)[1]).any()
    assert torch.isnan(torch.vmap(module)(p[None], y[None])).all()
    if index == 3:
        assert torch.isnan(compiled(module, "eager")(p, y))
