"""Losses of generative adversarial networks, on the discriminator's logits or the critic's scores.

A discriminator scores real samples and generated ones, the fakes. Each kind is a pair of rules of one
score, for the real and for the fakes; the generator's rule is that of a fake which should pass as real.
"""

from typing import Any, ClassVar

from losskit.about import About
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import maximum, sigmoid, softplus, where
from losskit.structures.columns import ColumnLoss, Piece

KINDS = ("minimax", "nonsaturating", "least_squares", "hinge", "wasserstein")


def _constant(c, s):
    """``c``, or NaN where ``s`` is."""
    return where(s == s, c, s)


class Up:
    """-s: the higher the better, without end."""

    @rule
    def value(s):
        return -s

    @rule
    def slopes(s):
        return (_constant(-1.0, s),)

    @rule
    def curvatures(s):
        return (_constant(0.0, s),)


class Down:
    """s: the lower the better."""

    @rule
    def value(s):
        return +s

    @rule
    def slopes(s):
        return (_constant(1.0, s),)

    @rule
    def curvatures(s):
        return (_constant(0.0, s),)


class LogReal:
    """-log D with D = sigmoid(s), the probability of being real."""

    @rule
    def value(s):
        return softplus(-s)

    @rule
    def slopes(s):
        return (-sigmoid(-s),)

    @rule
    def curvatures(s):
        return (sigmoid(s) * sigmoid(-s),)


class LogFake:
    """-log(1 - D)."""

    @rule
    def value(s):
        return softplus(s)

    @rule
    def slopes(s):
        return (sigmoid(s),)

    @rule
    def curvatures(s):
        return (sigmoid(s) * sigmoid(-s),)


class NegativeLogFake:
    """log(1 - D)."""

    @rule
    def value(s):
        return -softplus(s)

    @rule
    def slopes(s):
        return (-sigmoid(s),)

    @rule
    def curvatures(s):
        return (-sigmoid(s) * sigmoid(-s),)


class SquareToOne:
    """½ (s - 1)²."""

    @rule
    def value(s):
        return 0.5 * (s - 1.0) * (s - 1.0)

    @rule
    def slopes(s):
        return (s - 1.0,)

    @rule
    def curvatures(s):
        return (_constant(1.0, s),)


class SquareToZero:
    """½ s²."""

    @rule
    def value(s):
        return 0.5 * s * s

    @rule
    def slopes(s):
        return (+s,)

    @rule
    def curvatures(s):
        return (_constant(1.0, s),)


class HingeReal:
    """max(0, 1 - s)."""

    @rule
    def value(s):
        return maximum(1.0 - s, 0.0)

    @rule
    def slopes(s):
        return (where(s < 1.0, -1.0, _constant(0.0, s)),)

    @rule
    def curvatures(s):
        return (_constant(0.0, s),)


class HingeFake:
    """max(0, 1 + s)."""

    @rule
    def value(s):
        return maximum(1.0 + s, 0.0)

    @rule
    def slopes(s):
        return (where(s > -1.0, 1.0, _constant(0.0, s)),)

    @rule
    def curvatures(s):
        return (_constant(0.0, s),)


_DISCRIMINATOR = {
    "minimax": (LogReal, LogFake),
    "nonsaturating": (LogReal, LogFake),
    "least_squares": (SquareToOne, SquareToZero),
    "hinge": (HingeReal, HingeFake),
    "wasserstein": (Up, Down),
}
_GENERATOR = {
    "minimax": NegativeLogFake,
    "nonsaturating": LogReal,
    "least_squares": SquareToOne,
    "hinge": Up,
    "wasserstein": Up,
}


class GeneratorLoss(ColumnLoss):
    r"""What a generator minimises: its samples' scores should be those of real ones.

    ``compute(fake)`` takes the discriminator's answers to generated samples, of any shape. With
    D = sigmoid(s), ``kind`` is

    - "nonsaturating": -log D, the default;
    - "minimax": log(1 - D), the game as first written; hardly any gradient while the fakes are bad;
    - "least_squares": ½ (s - 1)²;
    - "hinge" and "wasserstein": -s.

    >>> round(float(GeneratorLoss().compute([0.0, 0.0])), 6)  # log 2
    0.693147
    >>> float(GeneratorLoss("wasserstein").compute([1.0, 3.0]))
    -2.0
    """

    kind: str = parameter(default="nonsaturating", choices=KINDS, doc="which game is played")

    arguments: ClassVar = ("fake",)
    differentiable: ClassVar = ("fake",)

    def make_pieces(self) -> tuple[Piece, ...]:
        return (self.piece(_GENERATOR[self.kind], ("fake",)),)

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return (random.normal(-1.0, 2.0, n),)

    about: ClassVar = About(
        formula=r"-\log \sigma(s)",
        tasks={"generative"},
        estimates="the highest score there is",
        strengths=("nonsaturating: the gradient is largest while the fakes are recognised",),
        weaknesses=("its value says little about the quality of the samples, except for wasserstein",),
        uses=(
            "training the generator of a GAN",
            "adversarial terms of image restoration and speech synthesis",
        ),
        references=(
            "Goodfellow et al. (2014), Generative Adversarial Nets, NeurIPS",
            "Mao et al. (2017), Least Squares Generative Adversarial Networks, ICCV",
            "Arjovsky, Chintala & Bottou (2017), Wasserstein Generative Adversarial Networks, ICML",
        ),
        aliases=("gan_generator",),
        elsewhere=(
            "monai.losses.PatchAdversarialLoss(for_discriminator=False): least squares without the half",
        ),
    )


class DiscriminatorLoss(ColumnLoss):
    r"""What a discriminator minimises: a mean over the real samples plus a mean over the fakes.

    ``compute(real, fake)`` takes its answers to real and to generated samples; derivatives are those in
    both. With D = sigmoid(s), ``kind`` is

    - "nonsaturating" and "minimax", the same here: -log D of the real, -log(1 - D) of the fakes;
    - "least_squares": ½ (s - 1)² and ½ s²;
    - "hinge": max(0, 1 - s) and max(0, 1 + s);
    - "wasserstein": -s and s, for a critic that a penalty keeps smooth.

    There may be more of the one than of the other: each has its own mean (or sum). Only
    ``reduction="none"``, weights and masks take them in pairs.

    >>> round(float(DiscriminatorLoss().compute([0.0], [0.0])), 6)  # 2 log 2
    1.386294
    >>> float(DiscriminatorLoss("hinge").compute([2.0, 0.0], [-1.0, 0.0, 1.0]))  # (0 + 1)/2 + (0 + 1 + 2)/3
    1.5
    """

    kind: str = parameter(default="nonsaturating", choices=KINDS, doc="which game is played")

    arguments: ClassVar = ("real", "fake")
    differentiable: ClassVar = ("real", "fake")
    torch_order: ClassVar = ("real", "fake")
    apart: ClassVar = True

    def make_pieces(self) -> tuple[Piece, ...]:
        real, fake = _DISCRIMINATOR[self.kind]
        return self.piece(real, ("real",)), self.piece(fake, ("fake",))

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        return random.normal(1.0, 2.0, n), random.normal(-1.0, 2.0, n)

    about: ClassVar = About(
        formula=r"-\log \sigma(s_{\text{real}}) - \log\left(1 - \sigma(s_{\text{fake}})\right)",
        tasks={"generative"},
        estimates="by minimax, the logit of the share of real samples; by hinge and wasserstein, no probability",
        strengths=("exact for scores of any size: no probability is formed",),
        weaknesses=("a discriminator that is always right teaches the generator little",),
        uses=("training the discriminator or critic of a GAN",),
        references=(
            "Goodfellow et al. (2014), Generative Adversarial Nets, NeurIPS",
            "Mao et al. (2017), Least Squares Generative Adversarial Networks, ICCV",
            "Lim & Ye (2017), Geometric GAN, arXiv:1705.02894",
            "Arjovsky, Chintala & Bottou (2017), Wasserstein Generative Adversarial Networks, ICML",
        ),
        aliases=("gan_discriminator", "critic"),
        elsewhere=(
            "monai.losses.PatchAdversarialLoss: the real or the fake part at a time; least squares without the half",
        ),
    )
