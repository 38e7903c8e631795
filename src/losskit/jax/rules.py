"""Rules of losses that optax has and losskit has no class of."""

from losskit.rules import Rules, rule
from losskit.scalar import Scalar, exp, expm1, log, power, scaled, sigmoid, softplus
from losskit.scalar import where as select


class Focal(Rules):
    """q^gamma times the cross-entropy c of soft labels, q = y (1-p) + (1-y) p the probability missed.

    With a = q'/q and b = q''/q, which are bounded, the slope is q^gamma (gamma a c + c').
    """

    argument = "pair"

    @rule
    def value(y: Scalar, p: Scalar, gamma: Scalar) -> Scalar:
        return power(_missed(y, p), gamma) * _entropy(y, p)

    @rule
    def slope(y: Scalar, p: Scalar, gamma: Scalar) -> Scalar:
        return power(_missed(y, p), gamma) * (
            gamma * scaled(_bend(y, p), _entropy(y, p)) + _entropy_slope(y, p)
        )

    @rule
    def curvature(y: Scalar, p: Scalar, gamma: Scalar) -> Scalar:
        a, one, zero = _bend(y, p), sigmoid(p), sigmoid(-p)
        of_entropy = gamma * scaled(a * ((gamma - 1.0) * a + (zero - one)), _entropy(y, p))
        return power(_missed(y, p), gamma) * (
            of_entropy + 2.0 * gamma * (a * _entropy_slope(y, p)) + one * zero
        )


def _missed(y: Scalar, p: Scalar) -> Scalar:
    return y * sigmoid(-p) + (1.0 - y) * sigmoid(p)


def _bend(y: Scalar, p: Scalar) -> Scalar:
    """The slope of ``_missed`` over itself; 0/0 where it is sure and right."""
    missed = _missed(y, p)
    return (1.0 - 2.0 * y) * select(missed == 0.0, 1.0, sigmoid(p) * sigmoid(-p) / missed)


def _entropy(y: Scalar, p: Scalar) -> Scalar:
    return scaled(y, softplus(-p)) + scaled(1.0 - y, softplus(p))


def _entropy_slope(y: Scalar, p: Scalar) -> Scalar:
    return (1.0 - y) * sigmoid(p) - y * sigmoid(-p)


class OfLogTargets(Rules):
    """e^y (y - p): both are logarithms."""

    argument = "pair"

    @rule
    def value(y: Scalar, p: Scalar) -> Scalar:
        return scaled(exp(y), y - p)

    @rule
    def slope(y: Scalar, p: Scalar) -> Scalar:
        return select(p == p, -exp(y), p)  # NaN in, NaN out

    @rule
    def curvature(y: Scalar, p: Scalar) -> Scalar:
        return select(p == p, 0.0, p)


class Generalized(Rules):
    """y (log y - p) + e^p - y, which is y (e^d - 1 - d) of d = p - log y: without cancellation near 0."""

    argument = "pair"

    @rule
    def value(y: Scalar, p: Scalar) -> Scalar:
        d = p - log(y)
        series = d * d * (0.5 + d * (1.0 / 6.0 + d * (1.0 / 24.0 + d * (1.0 / 120.0 + d * (1.0 / 720.0)))))
        return select(y == 0.0, exp(p), y * select(abs(d) < 0.0625, series, expm1(d) - d))

    @rule
    def slope(y: Scalar, p: Scalar) -> Scalar:
        return select(y == 0.0, exp(p), y * expm1(p - log(y)))

    @rule
    def curvature(y: Scalar, p: Scalar) -> Scalar:
        return exp(p)
