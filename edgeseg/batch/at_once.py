"""Ask a store, which takes its time to answer, for many files at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

REQUESTS = 32  # at once
Item = TypeVar("Item")
Answer = TypeVar("Answer")


def at_once(do: Callable[[Item], Answer], items: Iterable[Item]) -> list[Answer]:
    """Do for many files, in threads, what waits for a store.

    Returns:
        What came of each, in their order.

    Raises:
        BaseException: what `do` raises, once all have been done.
    """
    with ThreadPoolExecutor(REQUESTS) as pool:
        return list(pool.map(do, items))
