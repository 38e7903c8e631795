"""Losses of a few numbers on tensors: the drop-ins of torch.nn, and boxes where their loss has kinks."""

import copy
import itertools
import pickle
import warnings

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

from losskit.losses.adversarial import DiscriminatorLoss
from losskit.losses.boxes import BoxIoULoss
from losskit.torch import drop_in_columns as ours

NAMES = ("GaussianNLLLoss", "MarginRankingLoss")


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def same(mine, theirs, *arguments, rtol=2e-6):
    """Values, and gradients of every floating argument."""
    answers = []
    for module in (mine, theirs):
        leaves = [
            x.detach().clone().requires_grad_(x.is_floating_point()) if isinstance(x, torch.Tensor) else x
            for x in arguments
        ]
        value = module(*leaves)
        moving = [x for x in leaves if isinstance(x, torch.Tensor) and x.requires_grad]
        answers.append((value, *torch.autograd.grad(value.sum(), moving)))
    for got, expected in zip(*answers, strict=True):
        assert got.dtype == expected.dtype
        torch.testing.assert_close(got, expected, rtol=rtol, atol=rtol)


def modules_of_torch():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    for info in module_db:
        if info.module_cls.__name__ in NAMES:
            for dtype in (torch.float32, torch.float64):
                yield pytest.param(info, dtype, id=f"{info.module_cls.__name__}-{dtype}")


@pytest.mark.parametrize(("info", "dtype"), list(modules_of_torch()))
def test_torchs_own_inputs(info, dtype):
    for case in info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=True):
        construct = case.constructor_input
        mine = getattr(ours, info.module_cls.__name__)(*construct.args, **construct.kwargs)
        theirs = info.module_cls(*construct.args, **construct.kwargs)
        same(mine, theirs, *case.forward_input.args, rtol=1e-5 if dtype == torch.float32 else 1e-12)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(4, 3), (4,), (4, 1), (1, 3), None])
@pytest.mark.parametrize("full", [False, True])
def test_variances_as_torch_takes_them(shape, full, reduction):
    mine, theirs = (home.GaussianNLLLoss(full=full, reduction=reduction) for home in (ours, torch.nn))
    same(mine, theirs, *torch.randn(2, 4, 3), 0.5 if shape is None else torch.rand(shape) + 0.1)


def test_small_variances_count_as_eps():
    var = torch.tensor([[1e-9, 0.0, 2.0]])
    same(ours.GaussianNLLLoss(), torch.nn.GaussianNLLLoss(), torch.randn(1, 3), torch.randn(1, 3), var)
    same(ours.GaussianNLLLoss(eps=1.0), torch.nn.GaussianNLLLoss(eps=1.0), *torch.randn(2, 1, 3), var)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("margin", [0.25, 0.5, -0.25])
def test_margin_ranking(margin, reduction):
    mine, theirs = (home.MarginRankingLoss(margin, reduction=reduction) for home in (ours, torch.nn))
    for labels in (torch.tensor([1, -1, 0, 1]), torch.tensor([1.0, -1.0, 0.0, -2.0])):
        same(mine, theirs, *torch.randn(2, 4), labels)
    if reduction != "none":
        same(mine, theirs, *torch.randn(2), torch.tensor(1))


def test_what_every_module_must_do():
    inputs = [x.requires_grad_() for x in torch.rand(3, 4, 3, dtype=torch.float64)]
    for module in (ours.GaussianNLLLoss(full=True), ours.MarginRankingLoss(0.1, reduction="sum")):
        assert gradcheck(module, inputs)
        assert gradgradcheck(module, inputs)
        value = module(*inputs)
        compiled = torch.compile(module, fullgraph=True, backend="aot_eager")
        torch.testing.assert_close(compiled(*inputs), value)
        assert torch.vmap(module)(*inputs).shape == (4,)
        assert copy.deepcopy(module)(*inputs) == value
        assert pickle.loads(pickle.dumps(module))(*inputs) == value
        halves = [x.detach().bfloat16() for x in inputs]
        torch.testing.assert_close(module(*halves), module(*(x.float() for x in halves)))
        empty = [x[:0] for x in inputs]
        assert module(*empty) == 0.0
    assert repr(ours.GaussianNLLLoss(eps=0.5)) == "GaussianNLLLoss(full=False, eps=0.5, reduction='mean')"
    assert repr(ours.MarginRankingLoss()) == "MarginRankingLoss(margin=0.0, reduction='mean')"


def test_what_they_refuse():
    x = torch.ones(4, 3)
    module = ours.GaussianNLLLoss()
    with pytest.raises(ValueError, match="var has negative entry/entries"):
        module(x, x, -x)
    with pytest.raises(ValueError, match=r"var must be of input's shape \(4, 3\).*; got \(5,\)"):
        module(x, x, torch.ones(5))
    with pytest.raises(ValueError, match="must have the same shape"):
        module(x, x[:2], x)
    with pytest.raises(ValueError, match="reduction must be one of 'none', 'mean', 'sum', got 'avg'"):
        ours.MarginRankingLoss(reduction="avg")


@pytest.mark.parametrize("kind", ["iou", "giou", "diou", "ciou"])
def test_boxes_with_kinks_on_both_paths(kind):
    """Empty, nested, equal and touching boxes: the operations of torch have the kernel's gradient, and no NaN."""
    boxes = torch.tensor(
        [[1, 1, 1, 1], [1, 0, 1, 3], [0, 0, 2, 2], [0, 1, 3, 1], [2, 0, 4, 2], [5, 5, 6, 6]],
        dtype=torch.float64,
    )
    y, p = (torch.stack(column) for column in zip(*itertools.product(boxes, repeat=2), strict=True))
    loss = BoxIoULoss(kind, reduction="sum")
    expected = loss.derivative(y, p)
    torch.testing.assert_close(torch.func.grad(lambda q: loss(y, q))(p), expected)
    assert torch.isfinite(torch.func.hessian(lambda q: loss(y, q))(p)).all()


def test_batches_of_two_sizes():
    loss, real, fake = DiscriminatorLoss("least_squares"), torch.randn(5, 2), torch.randn(3)
    real.requires_grad_(), fake.requires_grad_()
    loss(real, fake).backward()
    torch.testing.assert_close(real.grad, (real.detach() - 1.0) / 10.0)
    torch.testing.assert_close(fake.grad, fake.detach() / 3.0)
    in_fake = torch.func.grad(lambda s: loss(real.detach(), s))(fake.detach())
    torch.testing.assert_close(in_fake, fake.grad)
