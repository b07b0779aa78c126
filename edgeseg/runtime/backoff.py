"""Say how long to wait before a camera that is down is tried again."""

from __future__ import annotations

from dataclasses import dataclass

from edgeseg.errors import UsageError

FIRST_S, MOST_S = 0.5, 30.0
STEADY_S = 10.0  # live for so long, a camera has recovered; one that comes and goes has not


@dataclass(frozen=True)
class Backoff:
    """Pauses that double, with jitter, so that cameras behind one switch do not all come back at once.

    The pause after the n-th failure in a row, from 0, is spread evenly over the upper half of
    0..min(`most_s`, 2 * `first_s` * 2**n): 0.5 to 1 s, 1 to 2 s, ... 15 to 30 s.

    Attributes:
        first_s: the shortest pause.
        most_s: the longest pause.
        steady_s: live for so long, a camera starts at the shortest again.
    """

    first_s: float = FIRST_S
    most_s: float = MOST_S
    steady_s: float = STEADY_S

    def __post_init__(self) -> None:
        if not 0 < self.first_s <= self.most_s:
            raise UsageError(
                f"back-off must have 0 < first_s <= most_s, got {self.first_s:g} and {self.most_s:g}"
            )

    def delay_s(self, failures: int, chance: float) -> float:
        """Give the pause after `failures` (0, 1, ...) failures before this one; `chance` is in 0..1."""
        doublings = min(failures + 1, 64)  # enough for any `most_s`, and a float can hold it
        top_s = min(self.most_s, self.first_s * 2.0**doublings)
        return max(self.first_s, top_s * (1 + chance) / 2)
