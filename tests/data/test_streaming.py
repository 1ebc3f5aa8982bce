import time

import pytest

from scalewise.data import streaming


def slow_square(n):
    time.sleep(0.002 * (n % 3))
    return n * n


@pytest.mark.parametrize("threads", ["1", "4"])
def test_results_come_in_the_order_of_the_arguments(threads, monkeypatch, capsys):
    monkeypatch.setenv("SCALEWISE_WORKERS", threads)
    results = list(streaming.mapped(slow_square, iter(range(30)), 30, "squares"))
    assert results == [n * n for n in range(30)]
    assert capsys.readouterr().err.startswith("squares: 30 images in ")


def test_only_a_few_arguments_are_taken_ahead(monkeypatch):
    monkeypatch.setenv("SCALEWISE_WORKERS", "2")
    taken = []

    def arguments():
        for n in range(100):
            taken.append(n)
            yield n

    for done, _ in enumerate(streaming.mapped(abs, arguments(), 100, "numbers")):
        assert len(taken) <= done + 2 * streaming.AHEAD + 1


def test_nothing_gives_nothing():
    assert list(streaming.mapped(abs, iter(()), 0, "numbers")) == []


def test_what_a_function_raises_arrives():
    with pytest.raises(ZeroDivisionError):
        list(streaming.mapped(lambda n: 1 // n, iter((1, 0)), 2, "inverses"))
