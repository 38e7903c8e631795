"""Losses of images against images, pixel neighbourhood by pixel neighbourhood, and of an image's own roughness."""

import math
from functools import cached_property
from typing import Any, ClassVar

from losskit.about import BOUNDED, CONVEX, About
from losskit.parameters import Legal, as_numbers, parameter
from losskit.structures.images import SimilarityOfImagesLoss, VariationLoss


class TotalVariationLoss(VariationLoss):
    r"""How much an image varies from pixel to pixel: the sum of the differences of neighbours.

    Takes images of shape (n, ..., height, width), any number of axes in between; a term is an image.
    The anisotropic kind adds the absolute differences to the right and below, the isotropic kind the
    length of the vector of both, where a missing neighbour differs by 0. At equal neighbours the
    derivative is the subgradient 0.

    >>> loss = TotalVariationLoss()
    >>> float(loss.compute([[[0.0, 1.0], [0.0, 3.0]]]))  # 1 + 3 across, 0 + 2 down
    6.0
    """

    kind: str = parameter(
        default="anisotropic",
        choices=("anisotropic", "isotropic"),
        doc="how the two differences are added up",
    )

    about: ClassVar = About(
        formula=r"\sum_{i,j} |x_{i+1,j} - x_{i,j}| + |x_{i,j+1} - x_{i,j}|",
        tasks={"generative"},
        traits={CONVEX},
        estimates="a constant image",
        strengths=("removes noise and keeps edges", "needs no target"),
        weaknesses=("flattens textures and smooth slopes to steps", "needs another loss beside it"),
        uses=("denoising", "style transfer", "super-resolution"),
        references=(
            "Rudin, Osher & Fatemi (1992), Nonlinear total variation based noise removal algorithms",
        ),
        aliases=("tv",),
        elsewhere=(
            "kornia.losses.TotalVariation: the same as the anisotropic kind, one number a channel",
            "tf.image.total_variation: the same as the anisotropic kind, channels last",
        ),
    )


_SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of Wang, Simoncelli & Bovik 2003, table of section 3


class SSIMLoss(SimilarityOfImagesLoss):
    r"""1 - SSIM: how far two images are from having the same brightness, contrast and structure in each window.

    Takes images of shape (n, ..., height, width); windows are Gaussian, lie inside of the image, and the
    mean is over windows and over all axes but the first. With ``scales`` more than 1 it is 1 - MS-SSIM:
    a product over images halved in size again and again by averaging 2 x 2 pixels, each scale with an
    exponent of its own; where a scale has no positive similarity the loss is 1 and its derivative 0.

    The quotients are formed from the difference of the two images, so equal images have loss 0 exactly
    and nearly equal ones all their digits, where 1 minus a rounded similarity would have none.

    Raises ValueError for images smaller than a window at the coarsest scale.

    >>> loss = SSIMLoss(window=3)
    >>> flat = [[[0.5] * 4] * 4]
    >>> float(loss.compute(flat, flat))
    0.0
    """

    window: int = parameter(default=11, at_least=1, doc="pixels along a side of a window, an odd number")
    sigma: float = parameter(default=1.5, above=0, doc="standard deviation of a window's weights, in pixels")
    data_range: float = parameter(
        default=1.0, above=0, doc="largest minus smallest value that a pixel can have"
    )
    k1: float = parameter(default=0.01, above=0, doc="C1 = (k1 data_range)^2, for the means")
    k2: float = parameter(default=0.03, above=0, doc="C2 = (k2 data_range)^2, for the variances")
    scales: int = parameter(default=1, at_least=1, doc="1, or the number of scales of MS-SSIM")
    scale_exponents: tuple[float, ...] | None = parameter(
        default=None, optional=True, convert=lambda v: as_numbers("scale_exponents", v, Legal(above=0)),
        doc="an exponent a scale, from the finest; None for the first of the five published ones",
    )  # fmt: skip

    def check_parameters(self) -> None:
        if self.window % 2 == 0:
            raise ValueError(f"window must be odd, got {self.window}")
        given = self.scale_exponents
        if given is not None and len(given) != self.scales:
            raise ValueError(f"scale_exponents has {len(given)} numbers, but scales is {self.scales}")
        if given is None and self.scales > len(_SCALES):
            raise ValueError(f"scales beyond {len(_SCALES)} need scale_exponents, got scales={self.scales}")

    @cached_property
    def window_weights(self) -> tuple[float, ...]:
        half = self.window // 2
        weights = [math.exp(-0.5 * (k / self.sigma) ** 2) for k in range(-half, half + 1)]
        return tuple(w / math.fsum(weights) for w in weights)

    @cached_property
    def constants(self) -> tuple[float, float]:
        return (self.k1 * self.data_range) ** 2, (self.k2 * self.data_range) ** 2

    @cached_property
    def scale_weights(self) -> tuple[float, ...] | None:
        if self.scale_exponents is not None:
            return self.scale_exponents
        return _SCALES[: self.scales] if self.scales > 1 else None

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        side = (self.window + 1) * 2 ** (self.scales - 1)
        y = random.random((n, 1, side, side + 1))
        return y, y + 0.1 * random.standard_normal(y.shape)

    about: ClassVar = About(
        formula=r"1 - \frac{(2\mu_x\mu_y + C_1)(2\sigma_{xy} + C_2)}"
        r"{(\mu_x^2 + \mu_y^2 + C_1)(\sigma_x^2 + \sigma_y^2 + C_2)}",
        tasks={"generative", "regression"},
        traits={BOUNDED},
        estimates="an image of the same local structure",
        strengths=("closer to what people see than squared error", "forgives a shift of brightness"),
        weaknesses=("not convex", "blind to colour beyond each channel", "flat far from the target"),
        uses=("image restoration", "compression", "super-resolution"),
        references=(
            "Wang, Bovik, Sheikh & Simoncelli (2004), Image quality assessment: from error visibility to structural "
            "similarity",
            "Wang, Simoncelli & Bovik (2003), Multiscale structural similarity for image quality assessment",
        ),
        aliases=("structural_similarity",),
        elsewhere=(
            'kornia.losses.SSIMLoss(window_size, padding="valid"): half of this',
            "monai.losses.SSIMLoss: the same",
        ),
    )  # fmt: skip
