"""The same function over many arguments, on every core there is."""

import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

from tqdm import tqdm

from scalewise import environment

A = TypeVar("A")
B = TypeVar("B")
CHUNK = 16  # arguments sent to a process at once


def count() -> int:
    """Worker processes to use: `SCALEWISE_WORKERS`, else the cores this process may run on.

    Raises:
        InputError: the variable is not a whole number above 0.
    """
    return environment.whole("SCALEWISE_WORKERS", _cores())


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on every system
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def mapped(function: Callable[[A], B], arguments: Sequence[A], label: str) -> Iterator[B]:
    """Yield `function(argument)` for each argument, in their order, with progress on stderr.

    Args:
        function: a module's function, pure: which process runs it is not to matter.
        arguments: what to give it, picklable.
        label: what the progress bar is called; without a terminal it is one line at the end.
    """
    start, terminal = time.perf_counter(), sys.stderr.isatty()
    yield from tqdm(
        _results(function, arguments), label, len(arguments), disable=not terminal, unit="image"
    )
    if not terminal:
        seconds = time.perf_counter() - start
        print(f"{label}: {len(arguments):,} images in {seconds:.1f} s", file=sys.stderr)


def _results(function: Callable[[A], B], arguments: Sequence[A]) -> Iterable[B]:
    processes = min(count(), -(-len(arguments) // CHUNK))
    if processes < 2:
        yield from map(function, arguments)
        return
    # Spawned, not forked: a fork of a process with threads may lock up.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as pool:
        yield from pool.map(function, arguments, chunksize=CHUNK)
