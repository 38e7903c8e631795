"""Losses of a student that learns from a teacher."""

from typing import ClassVar

from losskit.about import SMOOTH, About
from losskit.structures.distillation import StudentLoss


class DistillationLoss(StudentLoss):
    r"""alpha times cross-entropy with the labels, plus 1 - alpha times T² the divergence from the teacher.

    The divergence is KL(softmax(teacher / T), softmax(y_pred / T)): the factor T² keeps its gradient from
    shrinking with the temperature. ``compute(y_true, y_pred, teacher)`` takes class indices of shape (...)
    and the logits of the student and of the teacher, of shape (..., classes); a mean is over rows. There is
    a derivative for each of the two.

    >>> loss = DistillationLoss(temperature=2.0, alpha=0.0)
    >>> float(loss.compute([0], [[3.0, 1.0]], [[3.0, 1.0]]))  # the student agrees
    0.0
    >>> round(float(DistillationLoss(alpha=0.5).compute([1], [[0.0, 0.0]], [[0.0, 4.0]])), 6)  # log(2) / 2 + 2 KL
    1.0022

    Raises ValueError for shapes that do not fit, IndexError for a label outside the classes.
    Source: Hinton, Vinyals & Dean (2015), Distilling the knowledge in a neural network, section 2.
    """

    about: ClassVar = About(
        formula=r"-\alpha \log \hat p_t + (1 - \alpha)\,T^2\,"
        r"\mathrm{KL}\left(\mathrm{softmax}(u/T)\,\middle\|\,\mathrm{softmax}(z/T)\right)",
        tasks={"multiclass"},
        traits={SMOOTH},
        estimates="the teacher's probabilities, mixed with the labels",
        strengths=("what the teacher knows of similar classes comes along", "labels are optional: alpha=0"),
        weaknesses=("two numbers to tune", "the teacher's mistakes come along, too"),
        uses=("small models from large ones", "ensembles made one model"),
        references=("Hinton, Vinyals & Dean (2015), Distilling the knowledge in a neural network",),
        aliases=("knowledge_distillation",),
    )
