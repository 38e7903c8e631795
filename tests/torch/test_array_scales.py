"""Losses of whole arrays as torch operations at scales where squares, and second derivatives, leave the format."""

import importlib

import numpy as np
import pytest
import torch

import losskit as lk
from laws.cases import own
from truth.derivatives import rounded

ULP = 4.0
LOSSES = [
    lk.GaussianNLLLoss(), lk.LaplaceNLLLoss(), lk.StudentTLoss(), lk.GaussianKLDivergence(), lk.BoxIoULoss(),
    lk.BoxIoULoss(kind="ciou"), lk.CosineSimilarityLoss(), lk.CosineEmbeddingLoss(), lk.TripletLoss(distance="cosine"),
    lk.ContrastiveLoss(), lk.CLIPLoss(), lk.InfoNCELoss(), lk.MedicalImagingLoss(),
    lk.MedicalImagingLoss(per="class", from_logits=True, spatial_dims=1),
]  # fmt: skip
FAR = ("times 2**", "far by", "spread", "tiny", "narrow", "huge", "long and short", "of two minds")
"""How the names of such samples begin."""


def samples(loss, dtype):
    book = importlib.import_module(f"truth.{loss.structure}")
    facts = own(type(loss)(**rounded(loss.parameters(), dtype)))
    return [s for s in book.samples(type(loss).__name__, facts, dtype) if s.name.startswith(FAR)]


def as_operations(loss, arguments):
    """Terms, and the derivatives of their sum, as a transform has them."""
    tensors = [None if a is None else torch.from_numpy(a) for a in arguments]
    places = [i for i in map(loss.arguments.index, loss.differentiable) if tensors[i] is not None]

    def function(*moving):
        full = dict(enumerate(tensors)) | dict(zip(places, moving, strict=True))
        return loss(*full.values())

    value, pull = torch.func.vjp(function, *(tensors[i] for i in places))
    return [x.numpy() for x in (value, *pull(torch.ones_like(value)))]


def reference(loss, arguments):
    with lk.use_engine("numpy"):
        slopes = loss.replace(reduction="sum").derivative(*arguments)
        return [np.asarray(loss(*arguments)), *(slopes if isinstance(slopes, tuple) else (slopes,))]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", LOSSES, ids=repr)
def test_extreme_scales(loss, dtype):
    loss = loss.replace(reduction="none", validate=False)
    found = samples(loss, dtype)
    assert found
    for sample in found:
        for got, expected in zip(
            as_operations(loss, sample.arguments), reference(loss, sample.arguments), strict=True
        ):
            assert got.dtype == expected.dtype == dtype
            finite = np.isfinite(expected)
            np.testing.assert_array_equal(got[~finite], expected[~finite], err_msg=sample.name)
            unit = np.finfo(dtype).eps * np.abs(expected[finite]).max(initial=np.finfo(dtype).tiny)
            apart = np.abs(got[finite].astype(np.longdouble) - expected[finite])
            assert apart.max(initial=0.0) <= ULP * unit, (sample.name, got, expected)


def test_a_derivative_beyond_the_format_is_infinite():
    """Not 0 or NaN, from whichever reduction it comes."""
    tiny = torch.tensor([1e-40], requires_grad=True)
    for reduction in ("none", "sum", "mean"):
        loss = lk.GaussianNLLLoss(reduction=reduction, validate=False)
        slope = torch.func.grad(lambda v, loss=loss: loss(torch.zeros(1), torch.ones(1), v).sum())(tiny)
        assert slope.item() == -np.inf
