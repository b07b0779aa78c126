from __future__ import annotations

import threading
import time

import pytest

from edgeseg.runtime.serve.recent import Recent


def test_many_threads_that_ask_at_once_cost_one_call() -> None:
    calls: list[int] = []

    def ask() -> int:
        calls.append(0)
        time.sleep(0.05)
        return len(calls)

    recent = Recent(ask, 60.0)
    given: list[int] = []
    threads = [threading.Thread(target=lambda: given.append(recent())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert given == [1] * 8


def test_what_is_too_old_is_asked_for_anew() -> None:
    values = iter(range(3))
    recent = Recent(lambda: next(values), 0.0)
    assert recent() == 0
    time.sleep(0.01)
    assert recent() == 1


def test_an_error_is_not_kept() -> None:
    values = iter([ValueError("no"), 7])

    def ask() -> object:
        value = next(values)
        if isinstance(value, ValueError):
            raise value
        return value

    recent = Recent(ask, 60.0)
    with pytest.raises(ValueError, match="no"):
        recent()
    assert recent() == 7
