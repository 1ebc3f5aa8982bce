"""A user's mistake, told in one sentence."""

import inspect
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """What the user gave cannot be used.

    The message says what was expected, what came, where, and the choices. Our own
    invariants are asserts; this is for files, parameters and arguments.
    """


def run(main: Callable[..., None]) -> None:
    """Run a stage's `main` with the command line's arguments; a user's mistake ends in one line."""
    arguments = sys.argv[1:]
    with told_plainly():
        try:
            inspect.signature(main).bind(*arguments)
        except TypeError as error:
            names = " ".join(inspect.signature(main).parameters)
            raise InputError(f"usage: {sys.argv[0]} {names} ({error})") from None
        main(*arguments)


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn an `InputError` inside the block into one line on stderr and exit status 1.

    Anything else is our own bug and keeps its traceback.
    """
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
