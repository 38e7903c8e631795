"""R205: the probabilities are too sure of themselves."""

from losskit.advisor.recommendation.check import CLEAR, Check, Finding
from losskit.advisor.recommendation.profiles import Classes


def examine(profile: Classes) -> Finding | None:
    doubt = profile.doubt
    if doubt is None or doubt.confidence - doubt.accuracy < 0.05 or doubt.calibration_error < 0.05:
        return None
    name = "label_smoothing_cross_entropy" if profile.task != "binary" else "focal"
    return Finding(
        f"predictions are {doubt.confidence:.1%} sure on average and {doubt.accuracy:.1%} right"
        f" (calibration error {doubt.calibration_error:.3f})",
        ((name, CLEAR / 2),),
    )


CHECK = Check(
    code="R205",
    title="Overconfident probabilities",
    severity="advice",
    of=Classes,
    examine=examine,
    reason="Training on after all rows are right makes probabilities extreme. Smoothed labels and the focal"
    " loss hold them back; a temperature fitted on rows set apart repairs them afterwards, without"
    " another training.",
    references=(
        "Guo et al. (2017), On calibration of modern neural networks, ICML",
        "Mukhoti et al. (2020), Calibrating deep neural networks using focal loss, NeurIPS",
    ),
)
