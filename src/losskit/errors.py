"""What the user can put right: input that makes no sense, and an optional dependency that is not installed.

The message of either is one paragraph for the user: what is wrong, where, and what to do.
"""

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """A file, a column, an option or a loss that cannot be worked with, and how to fix it."""


class MissingExtraError(ImportError):
    """An optional dependency is not installed; the message names the extra that brings it."""


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Turn a failing import inside the block into an error that names the extra to install.

    >>> with needs("compare"):
    ...     import no_such_package
    Traceback (most recent call last):
    ...
    losskit.errors.MissingExtraError: this needs no_such_package: pip install "losskit[compare]"
    """
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "losskit":
            raise
        raise MissingExtraError(f'this needs {package}: pip install "losskit[{extra}]"') from None


def unknown(what: str, name: str, known: Iterable[str]) -> InputError:
    """Make the error for a name that is none of the known ones.

    >>> print(unknown("model", "liner", ["linear", "network"]))
    there is no model "liner". Did you mean "linear"? The models are: linear, network.
    """
    names = list(known)
    return InputError(
        f'there is no {what} "{name}".{nearest(name, names)} The {what}s are: {", ".join(names)}.'
    )


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a sentence that offers the known name most like ``name``, or nothing.

    >>> nearest("huberr", ["mse", "huber"])
    ' Did you mean "huber"?'
    """
    lowered = {candidate.lower(): candidate for candidate in known}
    match = difflib.get_close_matches(name.lower(), lowered, n=1, cutoff=0.5)
    return f' Did you mean "{lowered[match[0]]}"?' if match else ""
