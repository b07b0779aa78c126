"""Tell from the frames that are done how many come a second, and when the rest will be."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

MIN_S, HOUR_S = 60, 3600


@dataclass
class Forecast:
    """Rate and expected end of a run.

    Engines are opened before the first piece is done; the rate is that of what came since, if there is more.

    Args:
        total: frames that are expected.
        clock: gives seconds.
    """

    total: int
    clock: Callable[[], float] = time.monotonic
    done: int = 0
    _began_s: float = field(init=False)
    _first: tuple[float, int] | None = None

    def __post_init__(self) -> None:
        self._began_s = self.clock()

    def advance(self, frames: int) -> None:
        """Take note of frames that are done."""
        self.done += frames
        if self._first is None:
            self._first = self.clock(), self.done

    @property
    def frames_per_s(self) -> float:
        """Frames a second; 0 as long as nothing is known."""
        since_s, before = self._began_s, 0
        if self._first is not None and self.done > self._first[1]:
            since_s, before = self._first
        took_s = self.clock() - since_s
        return (self.done - before) / took_s if took_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds that the rest takes; None as long as nothing is known."""
        rate = self.frames_per_s
        return max(0, self.total - self.done) / rate if rate else None

    def told(self, now_s: float) -> str:
        """Say all of it in a few words.

        Args:
            now_s: the time of day, as `time.time` gives it.
        """
        rate, left_s = self.frames_per_s, self.left_s
        if left_s is None:
            return "the rate is not known yet"
        day = "" if left_s < HOUR_S * 12 else "%d %b "
        return (
            f"{rate:.1f} a second, {in_words(left_s)} left, ends about "
            f"{time.strftime(f'{day}%H:%M', time.localtime(now_s + left_s))}"
        )


def in_words(seconds: float) -> str:
    """Give a time such as `1 h 20 min` or `40 s`."""
    whole = round(seconds)
    if whole < MIN_S:
        return f"{whole} s"
    if whole < HOUR_S:
        return f"{whole // MIN_S} min {whole % MIN_S} s"
    return f"{whole // HOUR_S} h {whole % HOUR_S // MIN_S} min"
