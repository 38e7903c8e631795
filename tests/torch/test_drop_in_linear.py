"""torch's LinearCrossEntropyLoss and ours: one answer, one state."""

import pytest
import torch

from losskit.torch.drop_in_linear import LinearCrossEntropyLoss

if not hasattr(torch.nn, "LinearCrossEntropyLoss"):  # new in torch 2.13
    pytest.skip("this torch has no LinearCrossEntropyLoss", allow_module_level=True)

WEIGHT = torch.tensor([0.5, 1.0, 2.0, 0.0, 1.0, 1.0, 3.0])
OPTIONS = [
    {}, {"bias": True}, {"weight": WEIGHT, "bias": True}, {"label_smoothing": 0.25},
    {"weight": WEIGHT, "label_smoothing": 0.25}, {"out_features": (2, 3), "bias": True}, {"out_features": (2,), "weight": WEIGHT},
]  # fmt: skip
every = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: ",".join(o))


def both(options):
    """Ours and torch's with the same numbers inside."""
    torch.manual_seed(0)
    ours = LinearCrossEntropyLoss(5, 7, **options)
    theirs = torch.nn.LinearCrossEntropyLoss(5, 7, **options)
    theirs.load_state_dict(ours.state_dict())
    return ours, theirs


def answers(module, input, target):
    input = input.clone().requires_grad_()
    value = module(input, target)
    return value, *torch.autograd.grad(value.sum(), (input, *module.parameters()))


def same(options, input, target):
    for got, expected in zip(*(answers(m, input, target) for m in both(options)), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-5, atol=1e-6)


@every
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("soft", [False, True])
def test_same_as_torch(options, reduction, soft):
    of = options.get("out_features", ())
    torch.manual_seed(1)
    target = torch.randn(4, 7, *of).softmax(1) if soft else torch.randint(0, 7, (4, *of))
    if not soft:
        target.view(-1)[1] = -100
    same(options | {"reduction": reduction}, torch.randn(4, 5), target)


@pytest.mark.parametrize("target", [torch.tensor(3), torch.full((7,), 1 / 7)], ids=["index", "shares"])
def test_a_single_row(target):
    same({"bias": True}, torch.randn(5), target)


def test_another_ignored_index():
    same({"ignore_index": 2}, torch.randn(3, 5), torch.tensor([2, 0, 6]))


def test_everything_ignored_is_0():
    ours, _ = both({})
    assert ours(torch.randn(2, 5), torch.tensor([-100, -100])) == 0.0


def test_weights_may_change():
    ours, theirs = both({"weight": WEIGHT})
    for module in (ours, theirs):
        module.weight.mul_(torch.arange(7.0))
    input, target = torch.randn(4, 5), torch.tensor([1, 2, 4, 6])
    torch.testing.assert_close(ours(input, target), theirs(input, target))


def test_compiled_and_transformed():
    ours, _ = both({"bias": True})
    input, target = torch.randn(4, 5), torch.tensor([1, 2, 4, 6])
    compiled = torch.compile(ours, fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(input, target), ours(input, target))
    slope = torch.func.grad(lambda x: ours(x, target))(input)
    torch.testing.assert_close(slope, answers(ours, input, target)[1])


def test_what_it_says():
    ours, _ = both({"weight": WEIGHT[:7]})
    assert "in_features=5, num_classes=7" in repr(ours)
    with pytest.raises(ValueError, match=r"weight must be of shape \(7,\)"):
        LinearCrossEntropyLoss(5, 7, weight=torch.ones(3))
    with pytest.raises(ValueError, match="reduction must be one of"):
        LinearCrossEntropyLoss(5, 7, reduction="batchmean")
