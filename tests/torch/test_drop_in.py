"""The modules with torch.nn's names: its answers where they are right, the truth where they are not."""

import math
import warnings

import pytest
import torch

import losskit.torch as ours

INF, NAN = math.inf, math.nan


@pytest.fixture(autouse=True)
def seeded():
    torch.manual_seed(0)


def both(name, *arguments, **options):
    return getattr(ours, name)(*arguments, **options), getattr(torch.nn, name)(*arguments, **options)


def same(mine, theirs, p, *others, rtol=2e-6, fixed=False):
    """Values and gradients, of both arguments where the target has one (and is not ``fixed``)."""
    answers = []
    for module in (mine, theirs):
        leaves = [
            x.detach().clone().requires_grad_(x is p or (x.is_floating_point() and not fixed))
            for x in (p, *others)
        ]
        value = module(*leaves)
        grads = torch.autograd.grad(value.sum(), [x for x in leaves if x.requires_grad], allow_unused=True)
        answers.append((value, grads))
    (value, grads), (expected, wanted) = answers
    assert value.shape == expected.shape
    ignored = not others[0].is_floating_point() and expected.dim() == 0 and torch.isnan(expected)
    if ignored and torch.isfinite(p).all():  # torch's mean of nothing
        assert value == 0.0
        return
    torch.testing.assert_close(value, expected, rtol=rtol, atol=1e-6, equal_nan=True)
    bad = torch.isnan(p)  # the derivative of NaN may be anything
    for got, want in zip(grads, wanted, strict=True):
        if got.shape == bad.shape:
            got, want = got[~bad], want[~bad]
        torch.testing.assert_close(got, want, rtol=10 * rtol, atol=1e-6, equal_nan=True)


REDUCTIONS = ["mean", "sum", "none"]
SHAPES = [(), (0,), (5,), (4, 3), (2, 3, 4, 5)]


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    ("name", "options"),
    [("L1Loss", {}), ("MSELoss", {}), ("HuberLoss", {"delta": 0.5}), ("SmoothL1Loss", {"beta": 0.5}),
     ("SmoothL1Loss", {"beta": 0.0}), ("BCELoss", {}), ("BCEWithLogitsLoss", {}), ("KLDivLoss", {}),
     ("KLDivLoss", {"log_target": True})],
)  # fmt: skip
def test_elementwise(name, options, shape, reduction):
    mine, theirs = both(name, reduction=reduction, **options)
    p, y = torch.randn(shape), torch.rand(shape) * 0.9 + 0.05
    if name == "BCELoss":
        p = torch.rand(shape)
    if 0 in shape and reduction == "mean":
        assert mine(p, y) == 0.0
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert torch.isnan(theirs(p, y))
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's, on what "mean" is
        same(mine, theirs, p, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weight", [None, (3,), (4, 1), (4, 3)])
@pytest.mark.parametrize("pos_weight", [None, (), (1,), (3,), (4, 3)])
def test_weights_of_binary_cross_entropy(weight, pos_weight, reduction):
    weights = {"weight": None if weight is None else torch.randn(weight)}  # negative ones, too
    z, y = torch.randn(4, 3), torch.rand(4, 3)
    if pos_weight is None:
        same(*both("BCELoss", reduction=reduction, **weights), z.sigmoid(), y)
    weights["pos_weight"] = None if pos_weight is None else 3.0 * torch.rand(pos_weight)
    same(*both("BCEWithLogitsLoss", reduction=reduction, **weights), z, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(3,), (5, 3), (5, 3, 2), (2, 3, 4, 5), (2, 3, 2, 2, 2)])
@pytest.mark.parametrize("smoothing", [0.0, 0.25])
def test_cross_entropy(shape, smoothing, weighted, reduction):
    weight = torch.tensor([1.0, 0.0, 2.5]) if weighted else None
    mine, theirs = both(
        "CrossEntropyLoss", weight, reduction=reduction, label_smoothing=smoothing, ignore_index=1
    )
    z = torch.randn(shape)
    axis = 0 if len(shape) == 1 else 1
    rows = shape[:axis] + shape[axis + 1 :]
    labels = torch.randint(3, rows) if rows else torch.tensor(2)
    if not (labels != 1).any():
        labels = labels * 0
    same(mine, theirs, z, labels)
    soft = both("CrossEntropyLoss", weight, reduction=reduction, label_smoothing=smoothing)
    same(*soft, z, torch.rand(shape), rtol=5e-6)  # that need not sum to 1
    if smoothing == 0.0:
        same(*both("NLLLoss", weight, reduction=reduction, ignore_index=1), z, labels)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(
    "options", [{}, {"full": True}, {"log_input": False}, {"log_input": False, "full": True}]
)
def test_poisson(options, shape, reduction):
    mine, theirs = both("PoissonNLLLoss", reduction=reduction, **options)
    p, y = torch.randn(shape).abs() + 0.25, torch.rand(shape) * 5.0
    if 0 in shape and reduction == "mean":
        assert mine(p, y) == 0.0
        return
    same(mine, theirs, p, y)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 3, 4, 5)])
@pytest.mark.parametrize("name", ["SoftMarginLoss", "HingeEmbeddingLoss"])
def test_margins(name, shape, reduction):
    mine, theirs = both(name, reduction=reduction)
    p = torch.randn(shape)
    same(mine, theirs, p, 2.0 * torch.randint(2, shape) - 1.0, fixed=True)
    same(mine, theirs, p, torch.randint(3, shape) - 1.0, fixed=True)  # labels that are neither
    if name == "HingeEmbeddingLoss":
        same(*both(name, 0.25, reduction=reduction), p, torch.randint(3, shape) - 1)  # integers


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("rows", [(), (6,)])
def test_margins_of_classes(rows, weighted, reduction):
    weight = torch.tensor([1.0, 0.0, 2.5, 0.5]) if weighted else None
    z = torch.randn(*rows, 4)
    same(*both("MultiLabelSoftMarginLoss", weight, reduction=reduction), z, torch.rand(*rows, 4))
    for p in (1, 2):
        for margin in (1.0, 0.25):
            pair = both("MultiMarginLoss", p=p, margin=margin, weight=weight, reduction=reduction)
            same(*pair, z, torch.randint(4, rows) if rows else torch.tensor(2))
    for lists in (torch.randint(-1, 4, (*rows, 4)), torch.full((*rows, 4), -1), torch.zeros(*rows, 4).long()):
        same(*both("MultiLabelMarginLoss", reduction=reduction), z, lists)


def test_deprecated_arguments():
    p, y = torch.randn(4), torch.randn(4)
    for arguments in ({"size_average": False}, {"reduce": False}, {"size_average": True, "reduce": True}):
        with pytest.warns(UserWarning, match="size_average and reduce args will be deprecated"):
            mine, theirs = both("MSELoss", **arguments)
        same(mine, theirs, p, y)
    with pytest.raises(ValueError, match="reduction must be one of 'none', 'mean', 'sum', got 'avg'"):
        ours.CrossEntropyLoss(reduction="avg")
    assert ours.MSELoss(None, None, "sum").reduction == "sum"
    assert ours.HuberLoss("sum", 2.0).loss.delta == 2.0
    mine, theirs = both("KLDivLoss", reduction="batchmean")
    same(mine, theirs, torch.randn(4, 3), torch.rand(4, 3))


def test_weights_live_in_torchs_buffers():
    weight = torch.tensor([1.0, 2.0, 3.0])
    for name, options in (
        ("CrossEntropyLoss", {}), ("NLLLoss", {}), ("BCELoss", {}), ("BCEWithLogitsLoss", {"pos_weight": weight}),
    ):  # fmt: skip
        mine, theirs = (getattr(home, name)(weight.clone(), **options) for home in (ours, torch.nn))
        mine.load_state_dict(theirs.state_dict())
        theirs.load_state_dict(mine.state_dict())
        z, y = (
            torch.rand(4, 3),
            torch.randint(3, (4,)) if "C" in name[0] or "N" in name[0] else torch.rand(4, 3),
        )
        before = mine(z, y)
        with torch.no_grad():
            for module in (mine, theirs):
                module.weight.mul_(torch.tensor([1.0, 5.0, 0.5]))
        same(mine, theirs, z, y)
        assert mine(z, y) != before
        assert "weight=[1, 10, 1.5]" in repr(mine)
        mine.double(), theirs.double()
        same(mine, theirs, z.double(), y.double() if y.is_floating_point() else y)
    with pytest.raises(TypeError, match="weight must be a tensor, got list"):
        ours.CrossEntropyLoss([1.0, 2.0])


ELSEWHERE = {"CTCLoss", "CosineEmbeddingLoss", "LinearCrossEntropyLoss", "TripletMarginLoss"}
"""Of several inputs: test_drop_in_lattice.py, test_drop_in_pairs.py and test_drop_in_linear.py try them."""


def modules_of_torch():
    """torch's own modules and inputs for them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch.testing._internal.common_modules import module_db
    names = {cls.__name__ for cls in ours.DROP_INS} - ELSEWHERE
    for info in module_db:
        if info.module_cls.__name__ in names and info.module_cls.__module__.startswith("torch.nn"):
            for dtype in (torch.float32, torch.float64):
                yield pytest.param(info, dtype, id=f"{info.module_cls.__name__}-{dtype}")


WITHOUT_SLOPE_IN_TARGET = ("SoftMarginLoss", "HingeEmbeddingLoss", "PoissonNLLLoss")
"""Of torch: refused, none, and NaN for a count of 0."""


@pytest.mark.parametrize(("info", "dtype"), list(modules_of_torch()))
def test_torchs_own_inputs(info, dtype):
    cases = info.module_inputs_func(info, device="cpu", dtype=dtype, requires_grad=True, training=True)
    assert cases
    for case in cases:
        construct, call = case.constructor_input, case.forward_input
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            mine, theirs = both(info.module_cls.__name__, *construct.args, **construct.kwargs)
            rtol = 1e-5 if dtype == torch.float32 else 1e-12
            same(
                mine, theirs, *call.args, rtol=rtol, fixed=info.module_cls.__name__ in WITHOUT_SLOPE_IN_TARGET
            )
            if case.reference_fn is not None:
                arguments = (x.detach() for x in call.args)
                expected = case.reference_fn(theirs, *arguments)
                if "Entropy" in type(mine).__name__ and torch.isnan(expected).all():  # everything is ignored
                    expected = torch.zeros_like(expected)
                torch.testing.assert_close(mine(*call.args), expected, check_dtype=False, equal_nan=True)


def test_every_drop_in_has_inputs_from_torch():
    assert {p.values[0].module_cls.__name__ for p in modules_of_torch()} == {
        c.__name__ for c in ours.DROP_INS if c.__name__ not in ELSEWHERE
    }


# ---- where torch is not right ---------------------------------------------------------------------------


def gradient(module, p, y):
    p = p.clone().requires_grad_()
    return torch.autograd.grad(module(p, y).sum(), p)[0]


def test_nothing_left_to_average():
    z, ignored = torch.randn(2, 3), torch.tensor([-100, -100])
    for name in ("CrossEntropyLoss", "NLLLoss"):
        for weight in (None, torch.ones(3)):
            mine, theirs = both(name, weight)
            assert torch.isnan(theirs(z, ignored))
            assert mine(z, ignored) == 0.0
            assert (gradient(mine, z, ignored) == 0.0).all()


def test_masked_logits_with_soft_targets():
    z, y = torch.tensor([[0.0, 1.0, -INF]]), torch.tensor([[0.5, 0.5, 0.0]])
    mine, theirs = both("CrossEntropyLoss")
    assert torch.isnan(theirs(z, y))
    torch.testing.assert_close(mine(z, y), theirs(z[:, :2], y[:, :2]))
    assert torch.isfinite(gradient(mine, z, y)).all()


def test_divergence_of_what_cannot_happen():
    p, y = torch.tensor([[0.0, -INF]]), torch.tensor([[1.0, 0.0]])
    mine, theirs = both("KLDivLoss", reduction="sum")
    assert torch.isnan(theirs(p, y))
    assert mine(p, y) == 0.0
    mine, theirs = both("KLDivLoss", reduction="sum", log_target=True)
    assert torch.isnan(theirs(p, torch.log(y)))
    assert mine(p, torch.log(y)) == 0.0


def test_tails_of_cross_entropy():
    z, y = torch.tensor([[20.0, 0.0]]), torch.tensor([0])
    mine, theirs = both("CrossEntropyLoss")
    assert theirs(z, y) == 0.0
    assert gradient(theirs, z, y)[0, 0] == 0.0
    torch.testing.assert_close(mine(z, y), torch.tensor(2.0611537e-09), rtol=1e-6, atol=0.0)
    torch.testing.assert_close(
        gradient(mine, z, y), torch.tensor([[-2.0611537e-09, 2.0611537e-09]]), rtol=1e-6, atol=0.0
    )
    traced = torch.func.grad(mine)(z, y)
    torch.testing.assert_close(traced, gradient(mine, z, y), rtol=1e-6, atol=0.0)


def test_tails_of_binary_cross_entropy():
    z, y = torch.tensor([18.0]), torch.tensor([1.0])
    mine, theirs = both("BCEWithLogitsLoss")
    assert gradient(theirs, z, y) == 0.0
    torch.testing.assert_close(gradient(mine, z, y), torch.tensor([-1.5229979e-08]), rtol=1e-6, atol=0.0)


def test_probabilities_at_the_ends():
    p, y = torch.tensor([0.0, 1.0]), torch.tensor([1.0, 0.0])
    mine, theirs = both("BCELoss", reduction="none")
    assert (theirs(p, y) == 100.0).all()
    torch.testing.assert_close(mine(p, y), torch.full((2,), 87.33655))
    assert (gradient(theirs, p, y).abs() == 1e12).all()
    torch.testing.assert_close(gradient(mine, p, y), torch.tensor([-(2.0**126), 2.0**126]))


def test_tails_of_the_soft_margin():
    z, y = torch.tensor([20.0, 200.0]), torch.tensor([1.0, -1.0])
    mine, theirs = both("SoftMarginLoss", reduction="none")
    assert theirs(z, y)[1] == math.inf
    torch.testing.assert_close(mine(z, y), torch.tensor([2.0611537e-09, 200.0]), rtol=1e-6, atol=0.0)


def test_a_margin_that_is_just_enough():
    """The subgradient of least size."""
    p, y = torch.tensor([1.0]), torch.tensor([-1.0])
    mine, theirs = both("HingeEmbeddingLoss")
    assert gradient(theirs, p, y) == -1.0
    assert gradient(mine, p, y) == 0.0


def test_slope_in_a_count_of_zero():
    y = torch.zeros(1, requires_grad=True)
    mine, theirs = (torch.autograd.grad(m(torch.ones(1), y), y)[0] for m in both("PoissonNLLLoss", full=True))
    assert torch.isnan(theirs)
    assert mine == -1.0


def test_targets_of_margins_out_of_range():
    z = torch.zeros(2, 3)
    for name, target in (
        ("MultiMarginLoss", torch.tensor([0, 3])), ("MultiLabelMarginLoss", torch.tensor([[0, 3, -1], [1, -1, 7]]))
    ):  # fmt: skip
        mine = getattr(ours, name)(reduction="none")
        with pytest.raises(IndexError, match=r"target must be in 0\.\.2, the classes of input; got 3"):
            mine(z, target)
        assert torch.isnan(torch.vmap(mine)(z, target)).tolist() == [
            name == "MultiLabelMarginLoss", name == "MultiMarginLoss"
        ]  # fmt: skip
    with pytest.raises(
        ValueError, match=r"target must have input's shape without its classes, \(2,\); got \(3,\)"
    ):
        ours.MultiMarginLoss()(z, torch.zeros(3).long())
    with pytest.raises(TypeError, match=r"target must hold class indices, integers; got torch.float32"):
        ours.MultiMarginLoss()(z, torch.zeros(2))


def test_sums_are_kept_in_double_precision():
    p = torch.full((3_000_000,), 1.1, dtype=torch.float16)
    mine, _ = both("MSELoss")
    assert mine(p, torch.zeros_like(p)).dtype == torch.float32
    torch.testing.assert_close(mine(p, torch.zeros_like(p)), p[0].float() ** 2, rtol=1e-7, atol=0.0)


def test_nothing_is_broadcast():
    for name in ("MSELoss", "L1Loss", "HuberLoss", "SmoothL1Loss"):
        mine, theirs = both(name)
        p, y = torch.zeros(4, 1), torch.arange(4.0)
        with pytest.warns(UserWarning, match="broadcast"):
            assert theirs(p, y) > 0.0
        with pytest.raises(
            ValueError, match=r"target and input must have the same shape, got \(4,\) and \(4, 1\)"
        ):
            mine(p, y)
    with pytest.raises(ValueError, match=r"input must be in \[0, 1\], got 1.5 at index 1"):
        ours.BCELoss()(torch.tensor([0.5, 1.5]), torch.zeros(2))
    with pytest.raises(IndexError, match=r"target must be in 0\.\.2, the classes of input; got 3 at index 1"):
        ours.CrossEntropyLoss()(torch.zeros(2, 3), torch.tensor([0, 3]))
