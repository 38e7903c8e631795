"""The verbs of losskit's own losses on tensors: they answer in kind, and say what is wrong."""

import copy
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest
import torch

import losskit as lk
from losskit.engines.torch.arrays import as_array
from losskit.reduction import Parts


def tensors(*shape, dtype=torch.float32, seed=0):
    random = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, dtype=dtype, generator=random), torch.randn(
        *shape, dtype=dtype, generator=random
    )


LOSSES = [
    (lk.HuberLoss(), torch.randn(6, 3), torch.randn(6, 3)),
    (lk.BinaryCrossEntropy(), torch.rand(6, 3), torch.rand(6, 3)),
    (lk.SparseCategoricalCrossEntropy(from_logits=True), torch.tensor([0, 2, 1, 1, 0, 2]), torch.randn(6, 3)),
    (lk.KLDivergence(), torch.randn(6, 3).softmax(-1), torch.randn(6, 3).softmax(-1)),
    (0.5 * lk.MeanSquaredError() + lk.HuberLoss(), torch.randn(6, 3), torch.randn(6, 3)),
    (lk.HuberLoss() + 2.0 * lk.KLDivergence(), torch.randn(6, 3).softmax(-1), torch.randn(6, 3).softmax(-1)),
]


@pytest.mark.parametrize(("loss", "y", "p"), LOSSES, ids=[repr(x[0]) for x in LOSSES])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_verb_answers_in_kind(loss, y, p, reduction, weighted):
    terms = tuple((k, part.replace(reduction=reduction)) for k, part in loss.weighted_terms())
    loss = sum((k * part for k, part in terms[1:]), terms[0][0] * terms[0][1])
    if reduction == "none" and len({part.structure for _, part in terms}) > 1:
        with pytest.raises(ValueError, match="different shapes"):
            loss(y, p)
        return
    options = {}
    if weighted:
        options = {
            "sample_weight": torch.tensor([1.0, 0, 2, 3, 1, 1]),
            "mask": torch.tensor([1, 1, 1, 0, 1, 0]) > 0,
        }
    arrays = {k: v.numpy() for k, v in options.items()}
    for verb in ("compute", "__call__", "derivative", "second_derivative"):
        got = getattr(loss, verb)(y, p, **options)
        assert isinstance(got, torch.Tensor)
        np.testing.assert_array_equal(got.numpy(), getattr(loss, verb)(y.numpy(), p.numpy(), **arrays))
    value, derivative = loss.value_and_derivative(y, p, **options)
    assert torch.equal(value, loss(y, p, **options))
    assert torch.equal(derivative, loss.derivative(y, p, **options))
    assert p.grad is None

    leaf = p.clone().requires_grad_()
    loss(y, leaf, **options).sum().backward()
    assert torch.equal(leaf.grad, derivative)
    value, derivative = loss.value_and_derivative(y, leaf, **options)
    leaf.grad = None
    value.sum().backward()
    assert torch.equal(leaf.grad, derivative)
    assert leaf.grad.data_ptr() != derivative.data_ptr()

    traced = torch.func.grad(lambda q: loss(y, q, **options).sum())(p)
    torch.testing.assert_close(traced, derivative, rtol=1e-5, atol=1e-7)
    again = torch.vmap(lambda q: loss.derivative(y, q, **options))(p[None])[0]
    torch.testing.assert_close(again, derivative, rtol=1e-5, atol=1e-7)
    second = torch.vmap(lambda q: loss.second_derivative(y, q, **options))(p[None])[0]
    torch.testing.assert_close(second, loss.second_derivative(y, p, **options), rtol=1e-5, atol=1e-6)


def test_parts_merge_and_are_differentiable():
    """Micro-batches of different sizes: the gradient is that of the mean of the whole."""
    loss = lk.SparseCategoricalCrossEntropy(from_logits=True, ignore_index=-100)
    y, z = torch.tensor([0, 1, -100, 2, 1, 0, 0]), torch.randn(7, 3, requires_grad=True)
    w = torch.tensor([1.0, 2, 3, 0, 1, 1, 1])
    loss(y, z, sample_weight=w).backward()
    whole = z.grad
    z.grad = None
    parts = sum(loss.parts(y[i], z[i], sample_weight=w[i]) for i in (slice(0, 3), slice(3, 5), slice(5, 7)))
    assert isinstance(parts, Parts)
    assert (parts.weight, parts.count) == (6.0, 5)
    parts.mean().backward()
    torch.testing.assert_close(z.grad, whole)
    traced = torch.func.grad(lambda q: loss.parts(y, q, sample_weight=w).total)(z.detach())
    torch.testing.assert_close(traced, 6.0 * whole)
    assert loss.parts(y[2:3], z[2:3]).mean() == 0.0


def test_gradient_memory():
    """The kernel's gradient becomes .grad as it is: no second array, and none at all for an answer of 1."""
    p = torch.randn(1000, requires_grad=True)
    y = torch.randn(1000)
    loss = lk.HuberLoss()(y, p)
    mine = loss.grad_fn.gradient
    loss.backward()
    assert p.grad.data_ptr() == mine.ctypes.data
    assert loss.grad_fn.gradient is None


def test_out():
    y, p = tensors(5)
    loss, out = lk.HuberLoss(), torch.empty(5)
    assert loss.derivative(y, p, out=out) is out
    assert torch.equal(out, loss.derivative(y, p))
    half = torch.empty(5, dtype=torch.bfloat16)
    assert torch.equal(loss.derivative(y, p.bfloat16(), out=half), loss.derivative(y, p.bfloat16()))
    for wrong in (torch.empty(4), torch.empty(5, dtype=torch.float64), torch.empty(5, requires_grad=True)):
        with pytest.raises(ValueError, match=r"out must be of shape \(5,\), dtype torch.float32"):
            loss.derivative(y, p, out=wrong)
    with pytest.raises(TypeError, match="out must be a torch tensor, got ndarray"):
        loss.derivative(y, p, out=np.empty(5))


def test_targets_have_a_gradient_where_the_loss_has_one():
    y, p = (x.double() for x in tensors(4, 3))
    for loss in (lk.HuberLoss(), lk.LogCoshLoss(), lk.CharbonnierLoss()):
        q = y.clone().requires_grad_()
        (got,) = torch.autograd.grad(loss(q, p), q)
        torch.testing.assert_close(got, -loss.derivative(y, p))
    hard = torch.tensor([0.0, 1.0, 0.0], dtype=torch.float64, requires_grad=True)
    z = torch.tensor([20.0, -3.0, 0.5], dtype=torch.float64)
    (got,) = torch.autograd.grad(lk.BinaryCrossEntropy(from_logits=True, reduction="sum")(hard, z), hard)
    torch.testing.assert_close(got, -z, msg="the loss is linear in the target, at hard labels too")

    shares = torch.tensor([[1.0, 0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    (got,) = torch.autograd.grad(lk.CategoricalCrossEntropy(from_logits=True)(shares, z[None]), shares)
    torch.testing.assert_close(got, -torch.log_softmax(z[None], -1))
    (got,) = torch.autograd.grad(lk.KLDivergence(from_logits=True)(shares, z[None]), shares)
    assert got[0, 0] == 1.0 - torch.log_softmax(z, -1)[0]
    assert (got[0, 1:] == -torch.finfo(torch.float64).max).all(), "-inf, as the largest number"


def test_weights_have_a_gradient():
    y, p = tensors(4)
    w = torch.tensor([1.0, 2.0, 0.0, 1.0], requires_grad=True)
    loss = lk.MeanSquaredError()
    (got,) = torch.autograd.grad(loss(y, p, sample_weight=w), w)
    value, terms = loss(y, p, sample_weight=w.detach()), (p - y) ** 2
    torch.testing.assert_close(got[[0, 1, 3]], ((terms - value) / 4.0)[[0, 1, 3]])


def test_other_kinds_of_arguments():
    y, p = tensors(4)
    loss = lk.HuberLoss()
    assert torch.equal(loss(y.numpy(), p), loss(y, p))
    assert torch.equal(loss([0.0] * 4, p), loss(np.zeros(4), p))
    assert torch.equal(loss(0.0, p), loss(torch.zeros(4), p))
    assert torch.equal(loss(y, 0.5), loss(y, torch.full((4,), 0.5)))
    assert torch.equal(loss(torch.tensor([1, 0, 1, 1]), p), loss(torch.tensor([1.0, 0, 1, 1]), p))
    assert torch.equal(loss(y > 0, p), loss((y > 0).float(), p))
    assert loss(y, p.double()).dtype == torch.float64
    assert loss(y.double(), p).dtype == torch.float64
    assert loss.derivative(y.double(), p).dtype == torch.float32
    assert torch.equal(loss(y, p, sample_weight=[1, 1, 0, 0]), loss(y[:2], p[:2]))
    assert torch.equal(loss(y, torch.nn.Parameter(p)), loss(y, p))
    empty = torch.empty(0, requires_grad=True)
    loss(torch.empty(0), empty).backward()
    assert empty.grad.shape == (0,)
    with lk.use_engine("numpy"):
        torch.testing.assert_close(loss(y, p), loss(y, p))


def refused(error, message, *arguments, loss=lk.HuberLoss(), **options):  # noqa: B008 - a value
    with pytest.raises(error, match=re.escape(message)):
        loss(*arguments, **options)


def test_what_is_refused_says_how_to_fix_it():
    y, p = tensors(4)
    refused(
        TypeError,
        "float32 or float64, got torch.int64; pass y_pred.float()",
        y,
        p.long(),
    )
    refused(
        TypeError,
        "y_true is a torch tensor, but y_pred is a NumPy array: pass torch.as_tensor(y_pred)",
        y,
        p.numpy(),
    )
    refused(TypeError, "y_pred is a list", y, [1.0] * 4)
    refused(ValueError, "y_true and y_pred must have the same shape, got (4,) and (3,)", y, p[:3])
    refused(ValueError, "pass y_true.reshape(4)", y[:, None], p)
    refused(
        ValueError, "y_true and y_pred must have the same shape, got (4,) and (3,)", y.requires_grad_(), p[:3]
    )
    y = y.detach()
    refused(TypeError, "mask must be boolean", y, p, mask=torch.ones(4))
    refused(ValueError, "sample_weight must have the shape of the terms", y, p, sample_weight=torch.ones(3))
    refused(
        ValueError,
        "sample_weight must be finite and at least 0, got -1.0 at index 1",
        y,
        p,
        sample_weight=[1, -1, 1, 1],
    )
    refused(TypeError, "y_pred must be a dense tensor", y, p.to_sparse())
    refused(ValueError, "y_true is on meta, y_pred on cpu: pass y_true.to(y_pred.device)", y.to("meta"), p)
    refused(ValueError, "y_true is a NumPy array, y_pred is on meta", y.numpy(), p.to("meta"))
    refused(TypeError, "y_true must be", y.to(torch.complex64), p)
    bce = lk.BinaryCrossEntropy()
    bad = torch.tensor([0.5, 1.5])
    refused(ValueError, "y_pred must be in [0, 1], got 1.5 at index 1", torch.zeros(2), bad, loss=bce)
    refused(
        ValueError,
        "y_true must be in [0, 1], got 1.5 at index 1",
        bad.requires_grad_(),
        bad.detach() / 2,
        loss=bce,
    )
    sparse = lk.SparseCategoricalCrossEntropy(from_logits=True)
    refused(IndexError, "y_true must be in 0..2", torch.tensor([3]), p[None, :3], loss=sparse)
    refused(TypeError, "class indices", torch.tensor([0.5]), p[None, :3], loss=sparse)
    with pytest.raises(TypeError, match="class indices, which have no gradient"):
        sparse(torch.tensor([1.0], requires_grad=True), p[None, :3])
    weighted = sparse.replace(class_weights=(1.0, 2.0))
    for call in (sparse, torch.vmap(sparse)):
        with pytest.raises(ValueError, match="has no classes"):
            call(torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 2, 0))
    with pytest.raises(ValueError, match="class_weights has 2 numbers"):
        torch.func.grad(lambda q: weighted(torch.tensor([1]), q))(p[None, :3])


class Cubic(lk.LossFunction):
    """As a user writes it, for NumPy."""

    def compute(self, y_true, y_pred):
        return np.mean(np.abs(y_pred - y_true) ** 3)

    def derivative(self, y_true, y_pred):
        return 3 * np.abs(y_pred - y_true) * (y_pred - y_true) / y_true.size


class ValueOnly(lk.LossFunction):
    def compute(self, y_true, y_pred):
        return np.mean(y_pred)


def test_losses_written_by_hand():
    y, p = tensors(5, dtype=torch.float64)
    p.requires_grad_()
    loss = Cubic()
    assert torch.autograd.gradcheck(lambda q: loss(y, q), p)
    assert torch.autograd.gradcheck(lambda q: loss(y, q, mask=torch.tensor([1, 0, 1, 1, 0]) > 0), p)
    w = torch.tensor([1.0, 0.0, 2.0, 1.0, 3.0])
    assert torch.autograd.gradcheck(lambda q: loss(y, q, sample_weight=w), p)
    with pytest.raises(NotImplementedError, match="Cubic computes on NumPy arrays"):
        torch.func.grad(lambda q: loss(y, q))(p.detach())
    with pytest.raises(NotImplementedError, match="Cubic computes on NumPy arrays"):
        torch.autograd.grad(loss(y, p), p, create_graph=True)
    with pytest.raises(TypeError, match=r"y_true requires a gradient, but Cubic is written by hand"):
        loss(y.requires_grad_(), p)
    y = y.detach()
    assert ValueOnly()(y, p.detach()) == p.mean()
    with pytest.raises(NotImplementedError, match="no derivative"):
        ValueOnly()(y, p)
    mixed = Cubic() + lk.HuberLoss()
    assert torch.autograd.gradcheck(lambda q: mixed(y, q), p)


def test_masked_elements_touch_nothing():
    y, p = tensors(4)
    mask = torch.tensor([True, False, True, False])
    p[1], y[3] = float("nan"), float("inf")
    for loss in (lk.HuberLoss(), lk.LogCoshLoss(), lk.BinaryCrossEntropy(from_logits=True, validate=False)):
        (slow,) = torch.autograd.grad(
            loss(y, q := p.clone().requires_grad_(), mask=mask, sample_weight=mask), q
        )
        fast = torch.func.grad(lambda q, loss=loss: loss(y, q, mask=mask))(p)
        for gradient in (slow, fast):
            assert (gradient[~mask] == 0.0).all()
            torch.testing.assert_close(gradient[mask], loss.derivative(y[mask], p[mask]))
        hessian = torch.func.hessian(lambda q, loss=loss: loss(y, q, mask=mask))(p)
        assert torch.isfinite(hessian).all()
    nothing = torch.zeros(4, dtype=torch.bool)
    (gradient,) = torch.autograd.grad(lk.HuberLoss()(y, q := p.clone().requires_grad_(), mask=nothing), q)
    assert (gradient == 0.0).all()
    assert (torch.func.grad(lambda q: lk.HuberLoss()(y, q, mask=nothing))(p) == 0.0).all()
    assert torch.isnan(lk.HuberLoss(empty="nan")(y, p, mask=nothing))
    assert torch.isnan(torch.vmap(lambda q: lk.HuberLoss(empty="nan")(y, q, mask=nothing))(p[None])).all()


def test_losses_remain_values():
    loss = lk.HuberLoss(delta=2.0)
    y, p = tensors(3)
    before = hash(loss), repr(loss)
    torch.func.grad(lambda q: loss(y, q))(p)
    loss.parts(y, p)
    assert (hash(loss), repr(loss)) == before
    assert pickle.loads(pickle.dumps(loss)) == loss == copy.deepcopy(loss)


def test_torch_is_never_imported_for_arrays():
    code = "import sys, losskit as lk; lk.HuberLoss()([1.0], [2.0]); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_compiled_code_may_call_a_loss_itself():
    """At first not in one graph, since its rules are bound on the way; a module has them bound before."""
    torch._dynamo.reset()
    loss = lk.CauchyLoss(scale=3.0)
    y, p = tensors(4)

    def step(y, p):
        return 2.0 * loss(y, p)

    torch.testing.assert_close(torch.compile(step, backend="eager")(y, p), step(y, p))
    torch.testing.assert_close(torch.compile(step, backend="eager", fullgraph=True)(y, p), step(y, p))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_a_scaled_loss_keeps_the_gradient_of_halves_alive(dtype):
    """A mean's gradient of 2e-9 is no float16; what it is scaled by for that reason must meet it in float32."""
    y, p = (
        torch.zeros(1 << 10, dtype=dtype),
        torch.full((1 << 10,), 2.0**-20, dtype=dtype, requires_grad=True),
    )
    (2.0**15 * lk.MeanSquaredError()(y, p)).backward()
    assert p.grad.dtype is dtype
    assert torch.equal(p.grad, torch.full_like(p, 2.0 * 2.0**-20 * 2.0**-10 * 2.0**15))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize(
    "loss", [lk.HuberLoss(), lk.SparseCategoricalCrossEntropy(from_logits=True)], ids=repr
)
def test_halves_are_read_where_they_lie(loss, dtype):
    p = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).to(dtype)
    y = torch.zeros(6, dtype=torch.int64) if loss.structure == "rows" else torch.zeros_like(p)
    array = as_array(p, halves=True)
    assert array.dtype.itemsize == 2
    assert array.__array_interface__["data"][0] == p.data_ptr()
    value, slope = loss.value_and_derivative(y, p)
    expected = loss.value_and_derivative(y if loss.structure == "rows" else y.float(), p.float())
    assert torch.equal(value, expected[0])
    assert torch.equal(slope, expected[1].to(dtype))
