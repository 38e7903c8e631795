"""``losskit check``."""

import importlib
import sys
from typing import Annotated

import typer

import losskit as lk
from losskit.errors import InputError
from losskit.loss import LossFunction


def check(
    path: Annotated[
        str, typer.Argument(metavar="MODULE:CLASS", help="A loss of your own, such as mine:MyLoss.")
    ],
) -> None:
    """Check a loss of your own against the laws that every loss keeps; exit status 1 where it breaks one."""
    loss = _imported(path)
    report = lk.check(loss)
    print(report)
    if not report.ok:
        raise typer.Exit(1)


def _imported(path: str) -> LossFunction:
    """The loss that ``module:Class`` names; the working directory counts as a place for modules."""
    module_name, _, class_name = path.partition(":")
    if not module_name or not class_name:
        raise InputError(f'"{path}" is not of the form module:Class, such as my_losses:MyLoss.')
    sys.path.insert(0, "")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        raise InputError(
            f'{path}: there is no module "{error.name}" here or among what is installed.'
        ) from None
    except Exception as error:
        raise InputError(f"{path}: importing it fails with {type(error).__name__}: {error}") from None
    try:
        found = getattr(module, class_name)
    except AttributeError:
        from losskit.errors import nearest

        raise InputError(
            f'{path}: the module has no "{class_name}".{nearest(class_name, vars(module))}'
        ) from None
    try:
        made = found() if isinstance(found, type) else found
    except Exception as error:
        raise InputError(
            f"{path}: making one without arguments fails with {type(error).__name__}: {error}"
        ) from None
    if not isinstance(made, LossFunction):
        raise InputError(f"{path}: {class_name} is no loss; a loss subclasses losskit.LossFunction.")
    return made
