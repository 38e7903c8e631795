"""Losses of a student's logits against labels and against a teacher's logits."""

from typing import Any, ClassVar

from losskit.parameters import parameter
from losskit.structures.arrays import ArrayLoss


class StudentLoss(ArrayLoss):
    """A loss of the student's logits ``y_pred`` and the teacher's, both of shape (..., classes).

    alpha CE(y, softmax(z)) + (1 - alpha) T² KL(softmax(u / T), softmax(z / T)), with class indices y, the
    student's logits z, the teacher's u and the temperature T.
    """

    temperature: float = parameter(default=2.0, above=0, doc="by what the logits are divided")
    alpha: float = parameter(default=0.5, at_least=0, at_most=1, doc="share of the labels")
    ignore_index: int | None = parameter(
        default=None, kw_only=True, optional=True, doc="target of rows that do not count"
    )

    structure: ClassVar[str] = "distillation"
    arguments: ClassVar[tuple[str, ...]] = ("y_true", "y_pred", "teacher")
    differentiable: ClassVar[tuple[str, ...]] = ("y_pred", "teacher")
    indices: ClassVar[tuple[str, ...]] = ("y_true",)
    torch_order: ClassVar[tuple[str, ...] | None] = ("y_pred", "y_true", "teacher")

    def example(self, random: Any, n: int) -> tuple[Any, ...]:
        student, teacher = 2.0 * random.normal(size=(2, n, 4))
        return random.integers(0, 4, n), student, teacher
