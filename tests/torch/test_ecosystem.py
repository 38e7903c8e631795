"""The rest of torch: exporters, tracers, modes, checkpoints, subclasses, functional calls."""

import warnings

import pytest
import torch
from torch._subclasses import FakeTensorMode
from torch.autograd import forward_ad
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint

import losskit as lk
import losskit.torch as nn_losses

WEIGHT = torch.tensor([1.0, 2.0, 0.5])


@pytest.fixture
def setting():
    torch.manual_seed(0)
    z, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    module = nn_losses.CrossEntropyLoss(WEIGHT)
    q = z.clone().requires_grad_()
    value = module(q, y)
    return module, z, y, value.detach(), torch.autograd.grad(value, q)[0]


def test_checkpoint_and_offloading(setting):
    module, z, y, _, gradient = setting
    q = z.clone().requires_grad_()
    loss = checkpoint(module, q, y, use_reentrant=False)
    assert torch.equal(torch.autograd.grad(loss, q)[0], gradient)
    with torch.autograd.graph.save_on_cpu():
        loss = module(q, y)
    assert torch.equal(torch.autograd.grad(loss, q)[0], gradient)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with torch.autograd.detect_anomaly():
            assert torch.equal(torch.autograd.grad(module(q, y), q)[0], gradient)


def test_exporters_and_tracers(setting):
    module, z, y, value, _ = setting
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own
        programs = [
            torch.export.export(module, (z, y)).module(),
            make_fx(module)(z, y),
            torch.jit.trace(module, (z, y)),
        ]
        for program in programs:
            torch.testing.assert_close(program(z, y), value)
            assert program(2.0 * z, y) != program(z, y), "no constant of the example's value"


def test_modes(setting):
    module, z, y, value, _ = setting
    with torch.inference_mode():
        assert torch.equal(module(z, y), value)
        assert torch.equal(nn_losses.CrossEntropyLoss(WEIGHT.clone())(z, y), value)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert module(z @ torch.eye(3), y).dtype == torch.float32
    with FakeTensorMode():
        assert nn_losses.HuberLoss()(torch.randn(3), torch.randn(3)).shape == ()


def test_functional_calls_and_batched_weights(setting):
    module, z, y, _, _ = setting
    weights = torch.rand(2, 3) + 0.5

    def call(weight):
        return torch.func.functional_call(module, {"weight": weight}, (z, y))

    expected = torch.stack([nn_losses.CrossEntropyLoss(w)(z, y) for w in weights])
    torch.testing.assert_close(torch.vmap(call)(weights), expected)
    torch.testing.assert_close(torch.stack([call(w) for w in weights]), expected)


def test_dual_numbers_and_subclasses(setting):
    module, z, y, value, gradient = setting
    direction = torch.randn_like(z)
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(module(forward_ad.make_dual(z, direction), y))
    torch.testing.assert_close(dual.primal, value)
    torch.testing.assert_close(dual.tangent, (gradient * direction).sum())

    class Marked(torch.Tensor):
        pass

    p, t = torch.randn(3), torch.randn(3)
    answer = lk.HuberLoss()(t.as_subclass(Marked), p.as_subclass(Marked))
    assert type(answer) is Marked
    torch.testing.assert_close(answer.as_subclass(torch.Tensor), lk.HuberLoss()(t, p))


def test_dynamic_shapes():
    torch._dynamo.reset()
    for module, target in (
        (nn_losses.HuberLoss(), torch.randn),
        (nn_losses.CrossEntropyLoss(), lambda n, c: torch.randint(c, (n,))),
    ):
        compiled = torch.compile(module, fullgraph=True, dynamic=True, backend="aot_eager")
        for n in (3, 4, 5):
            p, y = torch.randn(n, 3), target(n, 3)
            torch.testing.assert_close(compiled(p, y), module(p, y))


def test_class_weights_follow_their_buffer():
    module = nn_losses.CategoricalFocalLoss(alpha=[1.0, 2.0, 3.0], from_logits=True)
    z, y = torch.randn(4, 3), torch.tensor([0, 1, 2, 1])
    before = module(z, y)
    module.load_state_dict({"class_weights": 2.0 * module.class_weights})
    torch.testing.assert_close(module(z, y), 2.0 * before)
    torch.testing.assert_close(torch.func.grad(module)(z, y), 2.0 * module.loss.derivative(y, z))
    assert "alpha=[2, 4, 6]" in repr(module)
    tensor = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    assert nn_losses.CategoricalCrossEntropy(class_weights=tensor).class_weights.dtype == torch.float64
    many = nn_losses.CategoricalCrossEntropy(class_weights=[1.0] * 1000)
    assert "class_weights=[1, 1, 1, 1, 1, 1, 1, 1, ... 1000 numbers]" in repr(many)


def test_what_a_module_is_made_of():
    module = nn_losses.LossModule(0.5 * lk.HuberLoss() + lk.MeanSquaredError())
    assert repr(module) == (
        "LossModule(0.5 * HuberLoss(delta=1.0) + MeanSquaredError(), reduction='mean', validate=True, empty='zero')"
    )
    with pytest.raises(TypeError, match="loss must be a losskit loss, got str"):
        nn_losses.LossModule("huber")
    with pytest.raises(ValueError, match="delta must be > 0"):
        nn_losses.CharbonnierLoss(delta=-1.0)
    assert nn_losses.FocalLoss.__doc__.startswith("Binary cross-entropy with easy examples faded out")
    assert set(nn_losses.__all__) >= {cls.__name__ for cls in nn_losses.GENERATED}
