import math
import operator
import os

import pytest

from scalewise.data import workers
from scalewise.errors import InputError


@pytest.mark.parametrize("count", ["1", "3"])
def test_results_come_in_order_whatever_the_count(count, monkeypatch, capsys):
    monkeypatch.setenv("SCALEWISE_WORKERS", count)
    assert list(workers.mapped(operator.neg, range(50), "counting")) == list(range(0, -50, -1))
    assert capsys.readouterr().err.startswith("counting: 50 images in ")


def test_many_arguments_go_to_other_processes_and_few_stay(monkeypatch):
    monkeypatch.setenv("SCALEWISE_WORKERS", "2")
    where = ["__import__('os').getpid()"]
    assert os.getpid() not in workers.mapped(eval, where * 40, "far")
    assert set(workers.mapped(eval, where * workers.CHUNK, "near")) == {os.getpid()}


def test_an_error_in_a_worker_arrives(monkeypatch):
    monkeypatch.setenv("SCALEWISE_WORKERS", "2")
    with pytest.raises(ValueError, match="math domain error"):
        list(workers.mapped(math.sqrt, [1] * 30 + [-1] * 10, "roots"))


def test_count_is_the_cores_at_hand(monkeypatch):
    monkeypatch.delenv("SCALEWISE_WORKERS", raising=False)
    assert 1 <= workers.count() <= os.cpu_count()


@pytest.mark.parametrize("given", ["0", "-1", "two", ""])
def test_bad_count_is_told(given, monkeypatch):
    monkeypatch.setenv("SCALEWISE_WORKERS", given)
    with pytest.raises(
        InputError, match=rf"SCALEWISE_WORKERS is '{given}', expected a whole number"
    ):
        workers.count()
