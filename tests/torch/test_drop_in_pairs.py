"""The modules of pairs and triplets with torch.nn's names: torch's answers where they are right."""

import pytest
import torch

from losskit.torch.drop_in_pairs import CosineEmbeddingLoss, TripletMarginLoss

REDUCTIONS = ["mean", "sum", "none"]


def same(mine, theirs, leaves, *others):
    value, expected = mine(*leaves, *others), theirs(*leaves, *others)
    torch.testing.assert_close(value, expected, rtol=1e-5, atol=1e-6)
    gradients, wanted = (torch.autograd.grad(v.sum(), leaves) for v in (value, expected))
    for got, want in zip(gradients, wanted, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-4, atol=1e-6)


def vectors(count, *shape, dtype=torch.float32):
    torch.manual_seed(0)
    return [torch.randn(shape, dtype=dtype, requires_grad=True) for _ in range(count)]


@pytest.mark.parametrize("shape", [(5, 7), (7,), (2, 3, 4)])
@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("swap", [False, True])
@pytest.mark.parametrize("p", [1.0, 2.0, 3.0])
def test_triplets(p, swap, reduction, shape):
    options = {"p": p, "swap": swap, "reduction": reduction, "margin": 0.5, "eps": 1e-3}
    same(TripletMarginLoss(**options), torch.nn.TripletMarginLoss(**options), vectors(3, *shape))


@pytest.mark.parametrize("margin", [0.0, 0.5, -0.25])
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_cosine_embedding(reduction, margin):
    target = torch.tensor([1.0, -1.0, 0.0, 1.0, -1.0])  # 0 costs nothing
    options = {"margin": margin, "reduction": reduction}
    same(CosineEmbeddingLoss(**options), torch.nn.CosineEmbeddingLoss(**options), vectors(2, 5, 7), target)
    same(CosineEmbeddingLoss(**options), torch.nn.CosineEmbeddingLoss(**options), vectors(2, 7), target[1])


def test_where_torch_is_wrong():
    tiny = torch.full((1, 3), 1e-20)
    assert torch.nn.CosineEmbeddingLoss()(tiny, tiny, torch.ones(1)) == 1.0
    assert CosineEmbeddingLoss()(tiny, tiny, torch.ones(1)) == 0.0
    huge = torch.full((1, 3), 1e30)
    assert torch.isfinite(TripletMarginLoss()(huge, -huge, 2 * huge))


def test_second_derivatives_and_transforms():
    three, target = vectors(3, 3, 4, dtype=torch.float64), torch.tensor([1.0, -1.0, 1.0], dtype=torch.float64)
    assert torch.autograd.gradgradcheck(TripletMarginLoss(), three)
    assert torch.autograd.gradgradcheck(lambda x, y: CosineEmbeddingLoss()(x, y, target), three[:2])
    compiled = torch.compile(TripletMarginLoss(swap=True), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(*three), torch.nn.TripletMarginLoss(swap=True)(*three))
    each = torch.vmap(CosineEmbeddingLoss())(three[0], three[1], target)
    torch.testing.assert_close(
        each, torch.nn.CosineEmbeddingLoss(reduction="none")(three[0], three[1], target)
    )


def test_repr():
    assert repr(TripletMarginLoss()) == (
        "TripletMarginLoss(margin=1.0, p=2.0, eps=1e-06, swap=False, reduction='mean')"
    )
