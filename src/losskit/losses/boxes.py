r"""Losses of boxes: 1 less the intersection over the union (IoU), and its kin.

All kinds are 1 - IoU plus penalties. Areas are sums of the areas of parts, so nothing cancels, and
lengths are shares of the smallest box around both, the hull, so nothing overflows.

A partial derivative is that of one edge moved outwards or inwards. Where these differ, at a kink, the
one of least size counts: 0 if their signs differ. What is written for an edge that moves along the axis
x serves those along y, with x and y exchanged, and with coordinates negated the edges on the other side.
"""

import math
from typing import Any, ClassVar

from losskit.about import BOUNDED, SYMMETRIC, About
from losskit.parameters import parameter
from losskit.rules import rule
from losskit.scalar import maximum, minimum, sign, sqrt, where
from losskit.structures.columns import ColumnLoss, Piece

_EIGHT_OVER_PI_SQUARED = 8.0 / math.pi**2


# ---- lengths and areas ------------------------------------------------------------------------------


def _divisor(x):
    """``x``, or 1 where there is nothing to divide by it."""
    return where(x > 0.0, x, 1.0)


def _hull(p1, p2, t1, t2):
    return maximum(p2, t2) - minimum(p1, t1)


def _offset(p1, p2, t1, t2):
    """From the target's centre to the prediction's."""
    return 0.5 * ((p1 - t1) + (p2 - t2))


def _parts(p1, p2, t1, t2):
    """The lengths of the prediction, of the target, of what they have in common, of what is left of either,
    and of the gap between them, as shares of the hull."""
    unit = _divisor(_hull(p1, p2, t1, t2))
    p, t = (p2 - p1) / unit, (t2 - t1) / unit
    both = (minimum(p2, t2) - maximum(p1, t1)) / unit
    p_rest = minimum(p, (maximum(t1 - p1, 0.0) + maximum(p2 - t2, 0.0)) / unit)
    t_rest = minimum(t, (maximum(p1 - t1, 0.0) + maximum(t2 - p2, 0.0)) / unit)
    return p, t, maximum(both, 0.0), p_rest, t_rest, maximum(-both, 0.0)


def _measured(tx1, ty1, tx2, ty2, px1, py1, px2, py2):
    """The hull's width and height, the offset of the centres, and the parts of both axes; all of coordinates
    times k, lest the difference of huge ones overflow."""
    k = where(maximum(_hull(px1, px2, tx1, tx2), _hull(py1, py2, ty1, ty2)) > 1.0, 0.25, 1.0)
    px1, px2, tx1, tx2 = k * px1, k * px2, k * tx1, k * tx2
    py1, py2, ty1, ty2 = k * py1, k * py2, k * ty1, k * ty2
    hull = _hull(px1, px2, tx1, tx2), _hull(py1, py2, ty1, ty2)
    offset = _offset(px1, px2, tx1, tx2), _offset(py1, py2, ty1, ty2)
    return k, hull, offset, _parts(px1, px2, tx1, tx2), _parts(py1, py2, ty1, ty2)


def _union(x, y):
    p_x, _, both_x, _, t_rest_x, _ = x
    p_y, t_y, _, _, t_rest_y, _ = y
    return p_x * p_y + (t_rest_x * t_y + both_x * t_rest_y)


def _apart(x, y, same):
    """1 - IoU. Where the union is empty it is 1, unless the boxes are the same."""
    _, _, both_x, p_rest_x, t_rest_x, _ = x
    p_y, t_y, _, p_rest_y, t_rest_y, _ = y
    only_one = (p_rest_x * p_y + both_x * p_rest_y) + (t_rest_x * t_y + both_x * t_rest_y)
    union = _union(x, y)
    return where(union > 0.0, only_one / _divisor(union), where(same, 0.0, 1.0))


def _free(x, y):
    """The share of the hull that neither box covers: what is free along each part of the axis x."""
    _, _, both_x, p_rest_x, t_rest_x, gap_x = x
    _, _, both_y, p_rest_y, t_rest_y, gap_y = y
    beside = p_rest_x * (t_rest_y + gap_y) + t_rest_x * (p_rest_y + gap_y)
    height = both_y + p_rest_y + t_rest_y + gap_y  # 1, or 0 of a hull without height
    return beside + both_x * gap_y + gap_x * height


def _centres(hull, offset):
    """The squared distance of the centres over the squared diagonal of the hull; and for its derivatives what
    an edge on either axis moves the centre, what it adds to the hull, and their scale."""
    (width, height), (dx, dy) = hull, offset
    unit = _divisor(maximum(width, height))
    u, v, a, b = dx / unit, dy / unit, width / unit, height / unit
    diagonal = _divisor(a * a + b * b)
    pushes, growths = (u / diagonal / unit, v / diagonal / unit), (a / diagonal / unit, b / diagonal / unit)
    return (u * u + v * v) / diagonal, pushes, growths, 1.0 / diagonal / unit / unit


# ---- the aspect ratio -----------------------------------------------------------------------------------


def _arctan(x):
    """For |x| <= tan(pi/16), by its series."""
    s = x * x
    tail = 1 / 15 - s * (1 / 17 - s * (1 / 19 - s * (1 / 21 - s / 23)))
    return x * (
        1 - s * (1 / 3 - s * (1 / 5 - s * (1 / 7 - s * (1 / 9 - s * (1 / 11 - s * (1 / 13 - s * tail))))))
    )


def _half(tangent):
    """The tangent of half the angle."""
    return tangent / (1.0 + sqrt(1.0 + tangent * tangent))


def _aspect(hull, x, y):
    """4/pi² times the squared angle between the boxes' diagonals, 0 where one of them has none; its slopes
    in the prediction's width and height; and its curvatures."""
    (width, height), (a, c, _, _, _, _), (b, d, _, _, _, _) = hull, x, y
    a, b, c, d = a * width, b * height, c * width, d * height
    p_unit, t_unit = _divisor(maximum(a, b)), _divisor(maximum(c, d))
    a, b, c, d = a / p_unit, b / p_unit, c / t_unit, d / t_unit
    p_square, t_square = _divisor(a * a + b * b), _divisor(c * c + d * d)
    half = (c * b - d * a) / _divisor(sqrt(p_square * t_square) + (a * c + b * d))
    angle = 8.0 * _arctan(_half(_half(half)))
    in_width, in_height = -b / p_square / p_unit, a / p_square / p_unit  # of the angle
    bend = -2.0 * in_width * in_height
    f = _EIGHT_OVER_PI_SQUARED
    bends = f * (in_width * in_width + angle * bend), f * (in_height * in_height - angle * bend)
    return 0.5 * f * angle * angle, (f * angle * in_width, f * angle * in_height), bends


def _alpha(apart, v):
    """The weight of the aspect term, and the sum it is a share of."""
    mass = _divisor(apart + v)
    return v / mass, mass


# ---- edges that move along the axis x --------------------------------------------------------------------
#
# Moving outwards, an edge of the prediction enlarges what is common, where it lies within the target, or the
# hull, where it lies beyond it, or neither. The derivatives of the three cases are the same for both edges but for
# the sign of the way the centre moves.


def _area_slopes(x, y, union):
    """Of 1 - IoU for an edge within the target and for another, and of the union likewise."""
    _, t_x, both_x, p_rest_x, _, _ = x
    p_y, t_y, both_y, p_rest_y, _, _ = y
    area = _divisor(union)
    within = -(both_y / area) * ((p_rest_x * p_y + t_x * t_y) / area)
    return within, both_x * both_y / area * (p_y / area), p_rest_y, p_y


def _cases(width, x, y, union, free, keep, tilt, hold):
    """The derivative in the three cases; ``tilt`` is that of the aspect, ``hold`` what a longer hull takes
    from the centres' term."""
    within, without, union_within, union_without = _area_slopes(x, y, union)
    unit = _divisor(width)
    meets = (keep * within - free * union_within) / unit
    neither = (keep * without - free * union_without) / unit
    spreads = (keep * without + free * (union - union_without)) / unit - hold
    return meets + tilt, neither + tilt, spreads + tilt


def _slope(p, p_other, t, t_other, cases, push):
    """The derivative of least size of the edge p, where coordinates grow outwards; ``push`` is that of the
    centre's way. The edge of an empty box has no inwards."""
    meets, neither, spreads = cases
    outwards = push + where(p >= t, spreads, where(p >= t_other, meets, neither))
    inwards = push + where(p > t, spreads, where(p > t_other, meets, neither))
    inwards = where(p > p_other, inwards, outwards)
    smaller = where(abs(outwards) < abs(inwards), outwards, inwards)
    return where(sign(outwards) * sign(inwards) > 0.0, smaller, outwards - outwards)  # 0, or NaN of NaN


def _bends(width, x, y, union, free, aspect):
    """The second derivative in the three cases, without the centres' term."""
    within, without, union_within, union_without = _area_slopes(x, y, union)
    unit = _divisor(width)
    inside = -2.0 * within * union_within / _divisor(union) / unit / unit
    outside = -2.0 * without * union_without / _divisor(union) / unit / unit
    spread = -2.0 * free * (union - union_without) / unit / unit
    inside = inside + _turn(within / unit, inside, aspect)
    outside = outside + _turn(without / unit, outside, aspect)
    return inside, outside, outside + spread


def _turn(apart, apart_bend, aspect):
    """The second derivative of alpha v = v²/(1 - IoU + v), or of v times a constant alpha from its slope."""
    weight, detached, alpha, mass, tilt, bend = aspect
    rise = tilt - alpha * (apart + tilt)
    whole = 2.0 * rise * rise / mass + 2.0 * alpha * bend - alpha * alpha * (apart_bend + bend)
    fixed = rise / mass * tilt + alpha * bend
    return weight * where(detached > 0.0, fixed, whole)


def _curvature(p, t, t_other, cases, ratio, push, growth, scale):
    """The second derivative of the edge p, at a kink that of the way outwards."""
    meets, neither, spreads = cases
    spreads = spreads - 2.0 * ratio * scale - 4.0 * growth * (push - 2.0 * ratio * growth)
    return 0.5 * scale + where(p >= t, spreads, where(p >= t_other, meets, neither))


class BoxIoULoss(ColumnLoss):
    r"""1 - IoU of pairs of boxes (x1, y1, x2, y2), on the last axis of arrays (..., 4); a mean over the boxes.

    ``kind`` adds a penalty:

    - "iou": none. Boxes that do not meet have loss 1 and no gradient;
    - "giou": the share of the hull, the smallest box around both, that neither covers;
    - "diou": the squared distance of the centres over the squared diagonal of the hull;
    - "ciou": that of diou and alpha v, where v is 4/pi² times the squared difference of the boxes'
      arctan(width/height) and alpha = v / (1 - IoU + v).

    The derivative is that of the value, also through alpha; ``detach_weight=True`` takes alpha for a
    constant, as the paper and most implementations of ciou do. Identical boxes have loss 0, also
    without an area; if the union is empty but the boxes differ, their IoU is 0. An inverted box
    (x1 > x2 or y1 > y2) is an error.

    >>> float(BoxIoULoss().compute([[0.0, 0.0, 2.0, 2.0]], [[1.0, 0.0, 3.0, 2.0]]))  # 1 - 2/6
    0.6666666666666666
    >>> float(BoxIoULoss("giou").compute([[0.0, 0.0, 1.0, 1.0]], [[2.0, 0.0, 3.0, 1.0]]))  # 1 + 1/3
    1.3333333333333333
    """

    name: ClassVar = "box_iou"
    kind: str = parameter(
        default="iou", choices=("iou", "giou", "diou", "ciou"), doc="which penalty is added"
    )
    detach_weight: bool = parameter(default=False, doc="ciou: leave alpha out of the derivative")

    entries: ClassVar = ("x1", "y1", "x2", "y2")
    ascending: ClassVar = (("x1", "x2"), ("y1", "y2"))

    def check_parameters(self) -> None:
        if self.detach_weight and self.kind != "ciou":
            raise ValueError(f"detach_weight is about the weight of kind='ciou', got kind={self.kind!r}")

    def make_pieces(self) -> tuple[Piece, ...]:
        return (
            self.piece(
                type(self), self.arguments, free=self.kind == "giou", centres=self.kind in ("diou", "ciou"),
                aspect=self.kind == "ciou", detached=self.detach_weight,
            ),
        )  # fmt: skip

    @rule
    def value(tx1, ty1, tx2, ty2, px1, py1, px2, py2, free, centres, aspect, detached):
        _, hull, offset, x, y = _measured(tx1, ty1, tx2, ty2, px1, py1, px2, py2)
        apart = _apart(x, y, (px1 == tx1) & (py1 == ty1) & (px2 == tx2) & (py2 == ty2))
        ratio, _, _, _ = _centres(hull, offset)
        v, _, _ = _aspect(hull, x, y)
        alpha, _ = _alpha(apart, v)
        return apart + free * _free(x, y) + centres * ratio + aspect * (alpha * v)

    @rule
    def slopes(tx1, ty1, tx2, ty2, px1, py1, px2, py2, free, centres, aspect, detached):
        k, (width, height), offset, x, y = _measured(tx1, ty1, tx2, ty2, px1, py1, px2, py2)
        union = _union(x, y)
        free = where((width > 0.0) & (height > 0.0), free, 0.0)
        ratio, (push_x, push_y), (growth_x, growth_y), _ = _centres((width, height), offset)
        push_x, push_y, hold = centres * push_x, centres * push_y, 2.0 * centres * ratio
        v, (in_width, in_height), _ = _aspect((width, height), x, y)
        alpha, _ = _alpha(_apart(x, y, False), v)
        moved = 1.0 - detached  # alpha is
        keep, lean = 1.0 - aspect * moved * alpha * alpha, aspect * alpha * (1.0 + moved * (1.0 - alpha))
        along_x = _cases(width, x, y, union, free, keep, lean * in_width, hold * growth_x)
        along_y = _cases(height, y, x, union, free, keep, lean * in_height, hold * growth_y)
        return (
            -k * _slope(-px1, -px2, -tx1, -tx2, along_x, -push_x),
            -k * _slope(-py1, -py2, -ty1, -ty2, along_y, -push_y),
            k * _slope(px2, px1, tx2, tx1, along_x, push_x),
            k * _slope(py2, py1, ty2, ty1, along_y, push_y),
        )

    @rule
    def curvatures(tx1, ty1, tx2, ty2, px1, py1, px2, py2, free, centres, aspect, detached):
        k, (width, height), offset, x, y = _measured(tx1, ty1, tx2, ty2, px1, py1, px2, py2)
        union = _union(x, y)
        free = where((width > 0.0) & (height > 0.0), free, 0.0)
        ratio, (push_x, push_y), (growth_x, growth_y), scale = _centres((width, height), offset)
        scale, growth_x, growth_y = centres * scale, centres * growth_x, centres * growth_y
        v, (in_width, in_height), (width_bend, height_bend) = _aspect((width, height), x, y)
        alpha, mass = _alpha(_apart(x, y, False), v)
        along_x = _bends(width, x, y, union, free, (aspect, detached, alpha, mass, in_width, width_bend))
        along_y = _bends(height, y, x, union, free, (aspect, detached, alpha, mass, in_height, height_bend))
        return (
            k * k * _curvature(-px1, -tx1, -tx2, along_x, ratio, -push_x, growth_x, scale),
            k * k * _curvature(-py1, -ty1, -ty2, along_y, ratio, -push_y, growth_y, scale),
            k * k * _curvature(px2, tx2, tx1, along_x, ratio, push_x, growth_x, scale),
            k * k * _curvature(py2, ty2, ty1, along_y, ratio, push_y, growth_y, scale),
        )

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        y_true, y_pred = random.uniform(0.0, 10.0, (2, n, 4))
        y_pred[:, :2] = y_true[:, :2] + random.normal(0.0, 0.5, (n, 2))
        for boxes in (y_true, y_pred):
            boxes[:, 2:] = boxes[:, :2] + random.uniform(2.0, 5.0, (n, 2))
        return y_true, y_pred

    about: ClassVar = About(
        formula=r"1 - rac{|P \cap T|}{|P \cup T|}",
        tasks={"detection"},
        traits={BOUNDED, SYMMETRIC},
        estimates="the box that overlaps most with the target's boxes",
        strengths=("the measure by which detections are judged", "the same for small boxes and large ones"),
        weaknesses=(
            "iou: no gradient where the boxes do not meet; the other kinds draw them together",
            "giou: converges slowly while one box contains the other",
        ),
        uses=("regression of bounding boxes in object detection",),
        references=(
            "Yu et al. (2016), UnitBox, ACM Multimedia",
            "Rezatofighi et al. (2019), Generalized Intersection over Union, CVPR",
            "Zheng et al. (2020), Distance-IoU Loss, AAAI",
        ),
        elsewhere=(
            "torchvision.ops.generalized_box_iou_loss, distance_box_iou_loss, complete_box_iou_loss: add 1e-7 "
            "to what they divide by; ciou is detach_weight=True",
            'monai.losses.BoxGIoULoss: kind "giou"',
            'tfa.losses.GIoULoss: kind "giou", boxes as y1, x1, y2, x2',
        ),
    )
