"""Say when what failed is tried again: after a while, and after twice as long each time."""

from __future__ import annotations


class Tries:
    """Times of tries, by name of what is tried.

    Args:
        wait_s: from a first failure to the second try.
    """

    def __init__(self, wait_s: float) -> None:
        self._wait_s = wait_s
        self._made: dict[str, tuple[int, float]] = {}  # how many, and since when the next is waited for

    def failed(self, name: str, now_s: float) -> None:
        """Note that the last try has failed now, which may have gone well for long."""
        tries, _ = self._made.get(name, (1, now_s))
        self._made[name] = tries, now_s

    def again(self, name: str, now_s: float) -> bool:
        """Whether to try now what has failed, which then counts as tried."""
        tries, since_s = self._made.setdefault(name, (1, now_s))
        if now_s - since_s <= self._wait_s * 2 ** (tries - 1):
            return False
        self._made[name] = tries + 1, now_s
        return True
