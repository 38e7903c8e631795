"""What a prediction shall be: said by the user, where the data cannot say it."""

from dataclasses import dataclass

from losskit.errors import InputError, nearest

QUANTITY_GOALS = ("mean", "median", "spread", "quantile", "expectile", "cost")
CLASS_GOALS = ("probability", "balanced")
EXAMPLES = (
    "mean",
    "median",
    "spread",
    "quantile:0.9",
    "expectile:0.9",
    "cost:4:1",
    "probability",
    "balanced",
)


@dataclass(frozen=True)
class Goal:
    """A goal and its number: ``Goal("quantile", 0.9)``."""

    name: str
    level: float | None = None
    said: str = ""

    @property
    def for_classes(self) -> bool:
        """Whether it is a goal for classes rather than for quantities."""
        return self.name in CLASS_GOALS


def read_goal(text: str | None) -> Goal | None:
    """Read a goal: "median", "quantile:0.9", or "cost:4:1" where predicting 1 too little costs 4 times 1 too much.

    >>> read_goal("cost:4:1").level
    0.8
    """
    if text is None:
        return None
    name, *rest = str(text).strip().lower().split(":")
    if name not in (*QUANTITY_GOALS, *CLASS_GOALS):
        raise InputError(
            f'there is no goal "{text}".{nearest(name, EXAMPLES)} Goals are, for example: {", ".join(EXAMPLES)}.'
        )
    numbers = _numbers(text, name, rest)
    if name == "cost":
        under, over = numbers
        return Goal("quantile", under / (under + over), text)
    return Goal(name, numbers[0] if numbers else None, text)


def _numbers(text: str, name: str, rest: list[str]) -> list[float]:
    """The numbers after a goal's name, as many as it takes."""
    wanted = {"quantile": 1, "expectile": 1, "cost": 2}.get(name, 0)
    example = next(e for e in EXAMPLES if e.startswith(name))
    try:
        numbers = [float(part) for part in rest]
    except ValueError:
        numbers = []
    legal = all(x > 0 for x in numbers) and (name == "cost" or all(x < 1 for x in numbers))
    if len(numbers) != wanted or len(rest) != wanted or not legal or any(x == float("inf") for x in numbers):
        raise InputError(f'the goal "{text}" cannot be read; write it like "{example}".')
    return numbers
