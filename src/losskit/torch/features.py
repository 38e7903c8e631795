"""Losses of what a network sees in two inputs: its activations, or how these go together."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from losskit.errors import nearest, needs
from losskit.loss import LossFunction
from losskit.losses.residual import MeanSquaredError
from losskit.weight_files import weight_file


class FeatureLoss(torch.nn.Module):
    """A weighted sum over layers of a loss of what the network answers there to target and input."""

    def __init__(
        self, network: torch.nn.Module, layers: Iterable[str] | Mapping[str, float], *,
        loss: LossFunction | None = None, weights: str | Path | None = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.layers = dict.fromkeys(layers, 1.0) if not isinstance(layers, Mapping) else dict(layers)
        known = dict(network.named_modules())
        if not self.layers:
            raise ValueError("layers must name at least one layer")
        for name in self.layers:
            if name not in known:
                raise ValueError(f"the network has no layer {name!r}.{nearest(name, known)}")
        if weights is not None:
            load_weights(network, weights)
        self.network = network.requires_grad_(False).eval()
        self.loss = MeanSquaredError() if loss is None else loss

    def train(self, mode: bool = True) -> "FeatureLoss":
        """The network that judges stays in evaluation mode: dropout and batch statistics would make the loss random."""
        super().train(mode)
        self.network.eval()
        return self

    def activations(self, x: Tensor) -> dict[str, Tensor]:
        """What each layer answers to ``x``."""
        found: dict[str, Tensor] = {}
        known = dict(self.network.named_modules())

        def keep(name: str) -> Any:
            def hook(module: Any, inputs: Any, output: Tensor) -> None:
                if not isinstance(output, Tensor):
                    raise TypeError(f"layer {name!r} answers with {type(output).__name__}, not with a tensor")
                found[name] = output

            return hook

        hooks = [known[name].register_forward_hook(keep(name)) for name in self.layers]
        try:
            self.network(x)
        finally:
            for hook in hooks:
                hook.remove()
        missed = [name for name in self.layers if name not in found]
        if missed:
            raise ValueError(f"layer {missed[0]!r} is not run by the network's forward pass")
        return found

    def described(self, x: Tensor) -> Tensor:
        """What is compared of a layer's activations."""
        return x

    def forward(self, input: Tensor, target: Tensor) -> Tensor:
        """The loss; differentiable in ``input``."""
        if input.shape != target.shape:
            raise ValueError(
                f"input and target must have the same shape, got {tuple(input.shape)} and {tuple(target.shape)}"
            )
        with torch.no_grad():
            wanted = {name: self.described(x) for name, x in self.activations(target).items()}
        seen = self.activations(input)
        terms = [w * self.loss(wanted[name], self.described(seen[name])) for name, w in self.layers.items()]
        return torch.stack(terms).sum()

    def extra_repr(self) -> str:
        return f"layers={self.layers}, loss={self.loss!r}"


class PerceptualLoss(FeatureLoss):
    """How differently a network sees two inputs: a loss of its activations at some layers.

    Called with (input, target), two batches that the network takes.

    Parameters
    ----------
    network : any module; its parameters are frozen and it stays in evaluation mode
    layers : names of its submodules, as ``named_modules`` gives them, or a mapping from names to weights
    loss : of target and predicted activations, mean squared error by default; any loss of losskit
    weights : a ``.safetensors`` file to load the network's parameters from (never a pickle)

    Raises ValueError for a layer that does not exist or is not run, for weights that do not fit, and for
    inputs whose shapes differ.

    Source: Johnson, Alahi & Fei-Fei (2016), Perceptual losses for real-time style transfer and super-resolution.

    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3), torch.nn.ReLU())
    >>> criterion = PerceptualLoss(network, layers=["1"])
    >>> image = torch.zeros(1, 1, 5, 5)
    >>> criterion(image, image)
    tensor(0.)
    """


class StyleLoss(FeatureLoss):
    """How differently the features of a network go together in two inputs, wherever they lie.

    As ``PerceptualLoss``, but what is compared of activations (n, channels, ...) is their Gram matrix,
    the mean over positions and channels of the products of two channels: G = F F^T / (channels positions).

    Source: Gatys, Ecker & Bethge (2016), Image style transfer using convolutional neural networks.

    >>> network = torch.nn.Sequential(torch.nn.Conv2d(1, 2, 3))
    >>> criterion = StyleLoss(network, layers={"0": 0.5})
    >>> image = torch.rand(1, 1, 6, 6)
    >>> criterion(image, image)
    tensor(0.)
    """

    def described(self, x: Tensor) -> Tensor:
        return gram_matrix(x)


def gram_matrix(x: Tensor) -> Tensor:
    """The products of all pairs of channels of (n, channels, ...), over channels times positions: (n, c, c).

    >>> gram_matrix(torch.ones(1, 2, 3))
    tensor([[[0.5000, 0.5000],
             [0.5000, 0.5000]]])
    """
    if x.dim() < 3:
        raise ValueError(f"activations must have shape (n, channels, ...), got {tuple(x.shape)}")
    flat = x.flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def load_weights(network: torch.nn.Module, path: str | Path) -> None:
    """Parameters and buffers from a safetensors file, all of them or an error."""
    path = weight_file(path)
    with needs("features"):
        from safetensors.torch import load_file
    try:
        network.load_state_dict(load_file(path))
    except RuntimeError as error:
        raise ValueError(f"weights: {str(path)!r} does not fit the network: {error}") from None
