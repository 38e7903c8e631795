"""What must hold of every loss of whole arrays on torch tensors, through kernels and as torch operations."""

import copy
import pickle
import warnings

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import losskit as lk
import losskit.torch as nn_losses
from array_cases import CASES, FIRST
from losskit.torch.array_module import ArrayModule, names_of

SOME = 12
"""Entries of a second derivative that are looked at."""

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
first = pytest.mark.parametrize("case", FIRST, ids=lambda case: case.name)


def tensors(case, dtype=torch.float64, seed=0):
    """The arguments as tensors."""
    made = (None if a is None else torch.from_numpy(np.array(a)) for a in case.arguments(seed))
    return [t.to(dtype) if t is not None and t.is_floating_point() else t for t in made]


def of_moving(case, arguments, loss=None):
    """The loss as a function of its differentiable arguments, and these."""
    places = case.moving(arguments)

    def function(*moving):
        full = list(arguments)
        for i, x in zip(places, moving, strict=True):
            full[i] = x
        return (loss or case.loss)(*full)

    return function, [arguments[i] for i in places]


def close(got, expected, ulps=4.0):
    """Equal but for rounding, measured at the largest number there is."""
    unit = torch.finfo(expected.dtype).eps * expected.abs().max().clamp(min=torch.finfo(expected.dtype).tiny)
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= ulps * unit, (got, expected)


def gradients(function, moving):
    moving = [x.detach().requires_grad_() for x in moving]
    return torch.autograd.grad(function(*moving), moving)


@every
def test_gradients(case):
    gradients_are_right(case, case.loss)


@first
def test_gradients_of_terms(case):
    gradients_are_right(case, case.loss.replace(reduction="none"))


def gradients_are_right(case, loss):
    function, moving = of_moving(case, tensors(case), loss)
    moving = [x.requires_grad_() for x in moving]
    assert gradcheck(function, moving, fast_mode=True)  # along random directions: the entries are in the laws
    assert gradgradcheck(function, moving, fast_mode=True)


@first
def test_transforms(case):
    function, moving = of_moving(case, tensors(case))
    truth = gradients(function, moving)
    everything = tuple(range(len(moving)))
    for got, expected in zip(torch.func.grad(function, everything)(*moving), truth, strict=True):
        close(got, expected)
    random = torch.Generator().manual_seed(1)
    direction = tuple(torch.rand(x.shape, dtype=x.dtype, generator=random) for x in moving)
    value, slope = torch.func.jvp(function, tuple(moving), direction)
    close(value, function(*moving))
    products = torch.cat([(g * d).reshape(-1) for g, d in zip(truth, direction, strict=True)])
    assert abs(slope - products.sum()) <= 1e-13 * products.abs().sum()


@first
def test_vmap(case):
    batch = [tensors(case, seed=seed) for seed in range(2)]
    stacked = [None if column[0] is None else torch.stack(column) for column in zip(*batch, strict=True)]
    axes = tuple(None if x is None else 0 for x in stacked)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        values = torch.vmap(case.loss, in_dims=axes)(*stacked)
    close(values, torch.stack([case.loss(*arguments) for arguments in batch]))


@first
def test_second_derivatives(case):
    arguments = tensors(case)
    function, moving = of_moving(case, arguments)
    second = case.loss.second_derivative(*arguments)
    for i, diagonal in enumerate(second if isinstance(second, tuple) else (second,)):
        n = moving[i].numel()
        rows = torch.eye(n, dtype=torch.float64)[:SOME].reshape(-1, *moving[i].shape)
        gradient = torch.func.grad(function, i)

        def product(row, i=i, gradient=gradient):
            at = (*moving[:i], *moving[i + 1 :])
            return torch.func.jvp(lambda x: gradient(*at[:i], x, *at[i:]), (moving[i],), (row,))[1]

        hessian = torch.vmap(product)(rows).reshape(len(rows), n).diagonal()
        diagonal = diagonal.reshape(-1)[:SOME]
        torch.testing.assert_close(
            diagonal.reshape(-1), hessian, rtol=1e-6, atol=1e-7 * float(1 + hessian.abs().max())
        )


@every
def test_float32_agrees_on_both_paths(case):
    arguments = tensors(case, torch.float32)
    function, moving = of_moving(case, arguments)
    close(torch.func.vjp(function, *moving)[0], function(*moving))
    everything = tuple(range(len(moving)))
    for got, expected in zip(
        torch.func.grad(function, everything)(*moving), gradients(function, moving), strict=True
    ):
        close(got, expected)


@first
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves(case, dtype):
    loss = case.loss.replace(validate=False)  # a half's distribution does not sum to 1
    arguments = tensors(case, dtype)
    function, moving = of_moving(case, arguments, loss)
    wide, moving_wide = of_moving(
        case, [t.float() if t is not None and t.is_floating_point() else t for t in arguments], loss
    )
    assert function(*moving).dtype == torch.float32
    close(function(*moving), wide(*moving_wide), 1.0)
    for got, expected in zip(gradients(function, moving), gradients(wide, moving_wide), strict=True):
        assert got.dtype == dtype
        close(got, expected.to(dtype), 1.0)


@first
def test_backward_in_every_way(case):
    function, moving = of_moving(case, tensors(case, torch.float32))
    truth = gradients(function, moving)
    moving = [x.detach().requires_grad_() for x in moving]
    value = function(*moving)
    value.backward(retain_graph=True)
    value.backward()
    for x, expected in zip(moving, truth, strict=True):
        close(x.grad, 2.0 * expected, 4.0)
    for got, expected in zip(torch.autograd.grad(3.0 * function(*moving), moving), truth, strict=True):
        close(got, 3.0 * expected, 4.0)
    recorded = torch.autograd.grad(function(*moving), moving, create_graph=True)
    for got, expected in zip(recorded, truth, strict=True):
        close(got, expected)
    with torch.no_grad():
        assert not function(*moving).requires_grad


@first
def test_layouts(case):
    arguments = tensors(case)
    apart = [None if t is None else torch.stack([t, t], -1)[..., 0] for t in arguments]
    assert torch.equal(case.loss(*apart), case.loss(*arguments))
    function, moving = of_moving(case, arguments)
    strided, moving_apart = of_moving(case, apart)
    for got, expected in zip(gradients(strided, moving_apart), gradients(function, moving), strict=True):
        assert torch.equal(got, expected)


def module_of(loss):
    return getattr(nn_losses, type(loss).__name__)(**loss.parameters())


def in_order(case, arguments):
    """The arguments as a module takes them."""
    ours = {"input": "y_pred", "target": "y_true"}
    return [arguments[case.loss.arguments.index(ours.get(n, n))] for n in names_of(case.loss)]


MODULES = [c for c in FIRST if issubclass(getattr(nn_losses, type(c.loss).__name__), ArrayModule)]
generated = pytest.mark.parametrize("case", MODULES, ids=lambda case: case.name)


@generated
def test_modules(case):
    module, arguments = module_of(case.loss), tensors(case, torch.float32)
    value = module(*in_order(case, arguments))
    assert torch.equal(value, case.loss(*arguments))
    assert "reduction='mean'" in repr(module)
    other = module_of(case.loss)
    other.load_state_dict(module.state_dict())
    for same in (pickle.loads(pickle.dumps(module)), copy.deepcopy(module), other):
        assert torch.equal(same(*in_order(case, arguments)), value)
        assert repr(same) == repr(module)
        assert same != module


@generated
def test_in_one_graph(case):
    torch._dynamo.reset()
    arguments = tensors(case, torch.float32)
    module = module_of(case.loss)
    function, moving = of_moving(case, arguments, lambda *full: module(*in_order(case, full)))
    compiled = torch.compile(function, fullgraph=True, backend="eager", dynamic=False)
    moving = [x.requires_grad_() for x in moving]
    value = compiled(*moving)
    close(value, function(*moving))
    for got, expected in zip(torch.autograd.grad(value, moving), gradients(function, moving), strict=True):
        close(got, expected)


def test_sums_of_an_overlap_merge():
    loss, y = lk.DiceLoss(), torch.tensor([1.0, 0.0, 1.0, 0.0])
    p = torch.tensor([0.75, 0.25, 0.5, 0.0], requires_grad=True)
    merged = loss.parts(y[:1], p[:1]) + loss.parts(y[1:], p[1:])
    assert merged.mean() == pytest.approx(loss(y, p).item(), rel=1e-6)
    with pytest.raises(NotImplementedError, match="parts of DiceLoss cannot be traced"):
        torch.func.vmap(lambda q: loss.parts(y, q).total)(p[None])


@pytest.mark.parametrize("reduction", ["mean", "none"])
def test_recursions_are_one_operator_in_a_graph(reduction):
    torch._dynamo.reset()
    module = pickle.loads(pickle.dumps(nn_losses.CTCLoss(reduction=reduction)))
    z = torch.randn(6, 2, 4, generator=torch.Generator().manual_seed(0)).log_softmax(-1).requires_grad_()
    rest = torch.tensor([[1, 2], [3, 3]]), torch.tensor([6, 5]), torch.tensor([2, 2])
    compiled = torch.compile(module, fullgraph=True, backend="aot_eager", dynamic=False)
    value, truth = compiled(z, *rest), module(z, *rest)
    assert torch.equal(value, truth)
    upstream = torch.rand(value.shape, generator=torch.Generator().manual_seed(1))
    got, expected = (torch.autograd.grad(v, z, upstream)[0] for v in (value, truth))
    assert torch.equal(got, expected)
    with pytest.raises(IndexError, match="must be"):  # it runs on values, and so it can look at them
        compiled(z, torch.tensor([[1, 9], [3, 3]]), *rest[1:])


@pytest.mark.parametrize("dtype", [torch.int64, torch.uint8, torch.bool], ids=str)
def test_integer_masks_are_floats_on_both_paths(dtype):
    """The kernel converts them itself; torch's operations need them converted."""
    logits = torch.linspace(-3.0, 3.0, 24).reshape(2, 3, 4).requires_grad_()
    masks = (logits.detach() > 0.5).to(dtype)
    loss = lk.DiceLoss(from_logits=True)
    expected = loss(masks.float(), logits)
    assert torch.equal(loss(masks, logits), expected)
    (slope,) = torch.autograd.grad(loss(masks, logits), logits)
    traced = torch.func.grad(lambda p: loss(masks, p))(logits.detach())
    torch.testing.assert_close(traced, slope)
