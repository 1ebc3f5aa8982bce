"""A user's mistake, told in one sentence."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class InputError(ValueError):
    """What the user gave cannot be used.

    The message says what was expected, what came, where, and the choices. Our own
    invariants are asserts; this is for files, parameters and arguments.
    """


@contextmanager
def told_plainly() -> Iterator[None]:
    """Turn an `InputError` inside the block into one line on stderr and exit status 1.

    Anything else is our own bug and keeps its traceback.
    """
    try:
        yield
    except InputError as error:
        sys.exit(f"error: {error}")
