"""Cases of MONAI, kornia and torchvision."""

from benchmarks.failures import textbook
from benchmarks.failures.case import Case, Reference


def _vision(number: int, title: str) -> Reference:
    return Reference(title, "pytorch/vision", number)


CASES = [
    Case(
        peer="monai",
        theirs="monai.losses.DiceLoss()(p, y)",
        ours="lk.DiceLoss(smooth=0.0).compute(y, p)",
        inputs="p=np.full((1, 1, 256, 256), 0.5), y=np.ones((1, 1, 256, 256))",
        truth=textbook.dice,
        why="the sum of 65 536 ones is beyond float16, and infinity over infinity is NaN",
        dtype="float16",
    ),
    Case(
        peer="monai",
        theirs="monai.losses.DiceLoss()(p, y)",
        ours="lk.DiceLoss().compute(y, p)",
        inputs="p=[[[5.0, -3.0]]], y=[[[1.0, 0.0]]]",
        truth=None,
        why="logits without sigmoid=True are summed as if they were probabilities, and the loss is negative",
    ),
    Case(
        peer="monai",
        theirs="monai.losses.DiceLoss(sigmoid=True)(z, y)",
        ours="lk.DiceLoss(from_logits=True).compute(y, z)",
        inputs="z=[[[1.0, -1.0]]], y=[[[255.0, 0.0]]]",
        truth=None,
        why="a mask of 0 and 255 is not checked, and the loss is negative",
    ),
    Case(
        peer="monai",
        theirs="monai.losses.FocalLoss(use_softmax=True, gamma=0.5)(z, y)",
        ours="0.5 * lk.CategoricalFocalLoss(gamma=0.5, from_logits=True).derivative(y, z)",
        inputs="z=[[20.0, 0.0]], y=[[1.0, 0.0]]",
        truth=lambda z, y: textbook.softmax_focal_of_logits(0.5)(z, [0]) / 2,
        why="(1 - p)^0.5 has an infinite slope where p has rounded to 1 (the mean is over the classes, too)",
        gradient="z",
    ),
    Case(
        peer="monai",
        theirs="monai.losses.ContrastiveLoss(temperature=1 / 128)(a, b)",
        ours="lk.InfoNCELoss(temperature=1 / 128).compute(a, b)",
        inputs="a=[[1.0, 0.0], [0.0, 1.0]], b=[[0.75, 0.25], [0.25, 0.75]]",
        truth=textbook.two_views(1 / 128),
        why="e^(cos / temperature) overflows, and infinity over infinity is NaN",
    ),
    Case(
        peer="kornia",
        theirs="kornia.losses.charbonnier_loss(p, y).mean()",
        ours="lk.CharbonnierLoss().compute(y, p)",
        inputs="p=[1e20], y=[0.0]",
        truth=textbook.charbonnier,
        why="the square overflows before its root is taken",
    ),
    Case(
        peer="kornia",
        theirs="kornia.losses.charbonnier_loss(p, y).mean()",
        ours="lk.CharbonnierLoss().derivative(y, p)",
        inputs="p=[1e20], y=[0.0]",
        truth=textbook.charbonnier,
        why="r over an infinite root is 0",
        gradient="p",
    ),
    Case(
        peer="kornia",
        theirs="kornia.losses.geman_mcclure_loss(p, y).mean()",
        ours="lk.GemanMcClureLoss(scale=2.0).compute(y, p)",
        inputs="p=[1e20], y=[0.0]",
        truth=textbook.geman_mcclure,
        why="r² / (r² + 4) is infinity over infinity",
    ),
    Case(
        peer="torchvision",
        theirs="torchvision.ops.generalized_box_iou_loss(p, y).mean()",
        ours='lk.BoxIoULoss("giou").compute(y, p)',
        inputs="p=[[0.0, 0.0, 2**-13, 2**-13]], y=[[0.0, 0.0, 2**-13, 2**-14]]",
        truth=textbook.giou,
        why="1e-7 is added to areas, which here are 1e-8: boxes of a tenth of a pixel in coordinates from 0 to 1",
    ),
    Case(
        peer="torchvision",
        theirs="torchvision.ops.generalized_box_iou_loss(p, y).mean()",
        ours='lk.BoxIoULoss("giou").compute(y, p)',
        inputs="p=[[0.0, 0.0, 0.0, 0.0]], y=[[0.0, 0.0, 0.0, 0.0]]",
        truth=textbook.giou,
        why="the IoU of two equal boxes without an area is 0 / 1e-7",
        reference=_vision(
            7746,
            "Generalized IOU loss doesn't handle 0-length and -width boxes correctly, expected 0.0 but got 1.0",
        ),
    ),
    Case(
        peer="torchvision",
        theirs="torchvision.ops.generalized_box_iou_loss(p, y).mean()",
        ours='lk.BoxIoULoss("giou").compute(y, p)',
        inputs="p=[[0.5, 0.5, 0.25, 0.25]], y=[[0.0, 0.0, 0.5, 0.5]]",
        truth=None,
        why="a box whose left edge is right of its right one has a positive area; the check was left out for speed",
        reference=_vision(6974, "Make `box_iou` accept arguments having `x1<=x2` and `y1<=y2`"),
    ),
    Case(
        peer="torchvision",
        theirs='torchvision.ops.sigmoid_focal_loss(z, y, alpha=-1, gamma=0.5, reduction="mean")',
        ours="lk.FocalLoss(gamma=0.5, from_logits=True).derivative(y, z)",
        inputs="z=[40.0], y=[1.0]",
        truth=textbook.focal_of_logits(0.5),
        why="(1 - p)^0.5 has an infinite slope where p has rounded to 1",
        gradient="z",
    ),
]
