"""How many threads a call uses."""

from __future__ import annotations

import threading

import pytest

from pytrainr import set_threads, thread_count
from pytrainr.threads import in_threads, limited_threads


@pytest.fixture(autouse=True)
def _as_before():
    yield
    set_threads(None)


def test_the_environment_then_the_process_then_the_thread_decides(monkeypatch):
    monkeypatch.setenv("PYTRAINR_THREADS", "3")
    assert thread_count() == 3
    set_threads(2)
    assert thread_count() == 2
    with limited_threads(1):
        assert thread_count() == 1
        elsewhere: list[int] = []
        thread = threading.Thread(target=lambda: elsewhere.append(thread_count()))
        thread.start()
        thread.join()
        assert elsewhere == [2]
    set_threads(None)
    assert thread_count() == 3


@pytest.mark.parametrize("wrong", ["0", "-1", "two", "1.5"])
def test_a_wrong_number_of_threads_is_named(monkeypatch, wrong):
    monkeypatch.setenv("PYTRAINR_THREADS", wrong)
    with pytest.raises((TypeError, ValueError), match="PYTRAINR_THREADS should be a whole number, 1 or more"):
        thread_count()


@pytest.mark.parametrize("threads", [1, 3])
def test_results_come_in_the_order_of_the_parts(threads):
    with limited_threads(threads):
        assert in_threads(lambda part: part * part, range(10)) == [part * part for part in range(10)]


def test_an_error_in_a_part_reaches_the_caller():
    with limited_threads(2), pytest.raises(ZeroDivisionError):
        in_threads(lambda part: 1 // part, [2, 1, 0])
