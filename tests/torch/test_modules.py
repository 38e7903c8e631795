"""What must hold of every class in losskit.torch."""

import copy
import io
import pickle
import warnings

import pytest
import torch
from torch.autograd import gradcheck, gradgradcheck

import losskit.torch as nn_losses
from torch_cases import CASES

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def gradient_of(module, p, y, factor=1.0):
    p = p.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(factor * module(p, y), p)
    return gradient


def close(got, expected, ulps=8.0):
    """Equal but for rounding, measured at the largest number there is."""
    unit = torch.finfo(expected.dtype).eps * expected.abs().max().clamp(min=torch.finfo(expected.dtype).tiny)
    assert got.dtype == expected.dtype
    assert got.shape == expected.shape
    assert (got - expected).abs().max() <= ulps * unit, (got, expected)


@every
def test_gradients(case):
    module, p, y = case()
    p.requires_grad_()
    assert gradcheck(lambda q: module(q, y), p)
    assert gradgradcheck(lambda q: module(q, y), p)
    if case.soft:
        y.requires_grad_()
        if set(y.unique().tolist()) <= {-1.0, 1.0}:  # a label moved is no label
            return
        assert gradcheck(module, (p, y))
        assert gradgradcheck(module, (p, y))


@every
def test_transforms(case):
    module, p, y = case()
    truth = gradient_of(module, p, y)
    close(torch.func.grad(module)(p, y), truth)
    direction = torch.rand(p.shape, dtype=p.dtype, generator=torch.Generator().manual_seed(1))
    value, slope = torch.func.jvp(lambda q: module(q, y), (p,), (direction,))
    close(value, module(p, y))
    assert abs(slope - (truth * direction).sum()) <= 1e-14 * (truth * direction).abs().sum()

    batch = [case.inputs(torch.float64, seed) for seed in range(3)]
    many_p, many_y = (torch.stack(each) for each in zip(*batch, strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # one says that a loop stands for a missing rule of vmap
        values = torch.vmap(module)(many_p, many_y)
        gradients = torch.vmap(torch.func.grad(module))(many_p, many_y)
    close(values, torch.stack([module(p, y) for p, y in batch]))
    close(gradients, torch.stack([gradient_of(module, p, y) for p, y in batch]))


@every
def test_second_derivatives_every_way(case):
    module, p, y = case()
    n = p.numel()
    forward_over_reverse = torch.func.hessian(module)(p, y).reshape(n, n)
    reverse = torch.autograd.functional.hessian(lambda q: module(q, y), p).reshape(n, n)
    batched = torch.autograd.functional.hessian(lambda q: module(q, y), p, vectorize=True).reshape(n, n)
    close(reverse, forward_over_reverse)
    close(batched, forward_over_reverse)
    close(torch.func.jacfwd(torch.func.jacfwd(module))(p, y).reshape(n, n), forward_over_reverse)
    loss = getattr(module, "loss", None)
    if loss is not None:
        close(loss.second_derivative(y, p).reshape(-1), forward_over_reverse.diagonal(), 64.0)


@every
def test_gradients_are_asked_for_in_every_way(case):
    module, p, y = case(torch.float32)
    p.requires_grad_()
    truth = gradient_of(module, p, y)
    loss = module(p, y)
    loss.backward(retain_graph=True)
    assert torch.equal(p.grad, truth)
    loss.backward()
    assert torch.equal(p.grad, truth + truth), "the second pass through the same graph"
    with pytest.raises(RuntimeError, match="second time"):
        loss.backward()
    close(gradient_of(module, p, y, 3.0), 3.0 * truth, 2.0)

    recorded = torch.autograd.grad(module(p, y), p, create_graph=True)[0]
    close(recorded, truth)
    assert recorded.requires_grad

    many = torch.autograd.grad(module(p, y), p, torch.tensor([1.0, 2.0]), is_grads_batched=True)[0]
    close(many, torch.stack([truth, 2.0 * truth]))
    with torch.no_grad():
        assert not module(p, y).requires_grad
    assert not module(p.detach(), y).requires_grad


@every
def test_layouts(case):
    module, p, y = case(torch.float32)
    value, gradient = module(p, y), gradient_of(module, p, y)
    apart = torch.zeros(*p.shape, 2)[..., 0].copy_(p)
    assert not apart.is_contiguous()
    assert torch.equal(module(apart, y), value)
    assert torch.equal(gradient_of(module, apart, y), gradient)

    row = p[:1].clone().requires_grad_()
    close(module(row.expand_as(p), y), module(p[:1].repeat(len(p), 1), y))
    (got,) = torch.autograd.grad(module(row.expand_as(p), y), row)
    close(got, gradient_of(module, p[:1].repeat(len(p), 1), y).sum(0, keepdim=True))


@every
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_halves(case, dtype):
    module, p, y = case(dtype)
    value, gradient = module(p, y), gradient_of(module, p, y)
    assert value.dtype == torch.float32
    assert gradient.dtype == dtype
    wide = y.float() if y.is_floating_point() else y
    loss = getattr(module, "loss", None)  # to float32, a half's distribution does not sum to 1
    other = module if loss is None else nn_losses.LossModule(loss.replace(validate=False))
    close(value, other(p.float(), wide))
    close(gradient, gradient_of(other, p.float(), wide).to(dtype), 1.0)
    scaled = gradient_of(module, p, y, 2.0**10)  # as a gradient scaler does
    close(scaled, (gradient_of(other, p.float(), wide) * 2.0**10).to(dtype), 1.0)
    close(torch.func.grad(module)(p, y), gradient, 1.0)


@every
def test_objects(case):
    module, p, y = case(torch.float32)
    value = module(p, y)
    other = case.make()
    other.load_state_dict(module.state_dict())
    saved = io.BytesIO()
    torch.save(module, saved)
    saved.seek(0)
    copies = [
        pickle.loads(pickle.dumps(module)),
        copy.deepcopy(module),
        other,
        torch.load(saved, weights_only=False),
    ]
    for same in copies:
        assert torch.equal(same(p, y), value)
        assert repr(same) == repr(module)
        assert same != module
    assert len({module, *copies}) == 5
    assert "reduction='" in repr(module)
    for moved in (copy.deepcopy(module).double(), copy.deepcopy(module).to("meta").to_empty(device="cpu")):
        assert moved.state_dict().keys() == module.state_dict().keys()
    doubled = copy.deepcopy(module).double()(p.double(), y.double() if y.is_floating_point() else y)
    assert doubled.dtype == torch.float64


@every
def test_meta_tensors(case):
    """Shapes without values, as used to plan memory."""
    module, p, y = case(torch.float32)
    value = module.to("meta")(p.to("meta").requires_grad_(), y.to("meta"))
    assert value.shape == ()
    assert value.is_meta
