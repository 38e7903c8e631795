"""The command ``losskit``: its exit status and its errors.

Exit status 0 is done, 1 a check that failed, 2 bad input. Bad input is one paragraph on standard error.
"""

import os
import sys
from typing import NoReturn

from losskit.errors import InputError, MissingExtraError


def main() -> None:
    """Run the command line; what the user can put right ends in a sentence, never in a traceback."""
    try:
        from losskit.commands import app

        app(prog_name="losskit")
    except (InputError, MissingExtraError) as error:
        fail(str(error))
    except KeyboardInterrupt:
        sys.exit(130)  # as a shell has it; a command that has more to say has said it
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # of which Typer and Rich make a status of 1
            _leave_quietly(0)
        try:
            sys.stdout.flush()  # here, since Python has its own words and status for it at its end
        except BrokenPipeError:
            _leave_quietly(leaving.code)
        raise


def _leave_quietly(status: str | int | None) -> NoReturn:
    """Leave where the reader of a pipe has gone, as in ``losskit list | head``."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def fail(message: str) -> NoReturn:
    """Say what is wrong on standard error and leave with status 2."""
    print(f"losskit: {message}", file=sys.stderr)
    sys.exit(2)
