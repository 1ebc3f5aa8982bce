"""How far a long run has come: a bar on a terminal, a line a step elsewhere; on stderr."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Step = Callable[[str], None]


@contextmanager
def shown(steps: int) -> Iterator[Step]:
    """Give a function that says which of `steps` steps begins."""
    with _bar(steps) if sys.stderr.isatty() else _lines() as step:
        yield step


def silent(name: str) -> None:
    """A step that nobody is told of."""


@contextmanager
def _bar(steps: int) -> Iterator[Step]:
    from tqdm import tqdm

    layout = "{percentage:3.0f}% |{bar:30}| {elapsed} {desc}"
    with tqdm(total=steps, bar_format=layout, leave=False) as bar:
        names: list[str] = []

        def step(name: str) -> None:
            bar.update(len(names) > 0)  # the step before is done
            names.append(name)
            bar.set_description_str(name)

        yield step


@contextmanager
def _lines() -> Iterator[Step]:
    start = time.monotonic()

    def step(name: str) -> None:
        print(f"{time.monotonic() - start:6.1f} s  {name}", file=sys.stderr, flush=True)

    yield step
