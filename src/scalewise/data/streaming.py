"""The same function over a stream too long for memory, on threads."""

import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from scalewise.data import workers

A = TypeVar("A")
B = TypeVar("B")
AHEAD = 4  # arguments a thread that are read before their results are asked for


def mapped(
    function: Callable[[A], B], arguments: Iterable[A], count: int, label: str
) -> Iterator[B]:
    """Yield `function(argument)` for each argument, in their order, with progress on stderr.

    Arguments are taken one after the other, by the caller's thread, and only a few ahead. Gains
    where the function spends its time outside the interpreter lock, as PIL does.

    Args:
        function: what is safe to run on several threads.
        arguments: what to give it.
        count: how many there are.
        label: what the progress bar is called; without a terminal it is one line at the end.
    """
    start, terminal = time.perf_counter(), sys.stderr.isatty()
    yield from tqdm(_results(function, arguments), label, count, disable=not terminal, unit="image")
    if not terminal:
        seconds = time.perf_counter() - start
        print(f"{label}: {count:,} images in {seconds:.1f} s", file=sys.stderr)


def _results(function: Callable[[A], B], arguments: Iterable[A]) -> Iterator[B]:
    threads = workers.count()
    waiting: deque[Future[B]] = deque()
    with ThreadPoolExecutor(threads) as pool:
        for argument in arguments:
            waiting.append(pool.submit(function, argument))
            if len(waiting) > AHEAD * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
