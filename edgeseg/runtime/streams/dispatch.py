"""Choose whose frames an engine takes next, when to take them, and how long to wait for a fuller batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from statistics import median

MOST_WAIT = 0.25  # of what a batch takes, waited at most for frames that would fill it
LATE = 0.25  # of the time between frames, by which one may be late and still be waited for
RECENT = 9  # durations that an estimate is made of
SPARE_S = 0.002  # before the engine is free, a frame should stand ready: threads do not wake at once
SPARE = 0.04  # the same, as a share of what the engine takes


class Turns:
    """Give streams fair shares of an engine, counted in images: of who waits, the longest not served is next.

    Start-time fair queueing (Goyal, Vin, Cheng 1996) with equal weights: a stream that had no frame for a
    while gains no claim on what it did not use. A frame that is cut into K tiles counts K.
    """

    def __init__(self) -> None:
        self._now = 0.0  # images, on the clock that all streams share
        self._until: dict[str, float] = {}  # what a stream has had
        self._served: dict[str, int] = {}  # the number of its last turn
        self._turns = 0

    def order(self, names: Iterable[str]) -> list[str]:
        """Sort the names of those that wait, the next one first."""
        return sorted(names, key=lambda name: (self._start(name), self._served.get(name, -1)))

    def serve(self, name: str, images: int) -> None:
        """Note that a stream gets so many images of the engine's time."""
        self._now = self._start(name)
        self._until[name] = self._now + images
        self._turns += 1
        self._served[name] = self._turns

    def forget(self, name: str) -> None:
        """Forget a stream that was taken away."""
        self._until.pop(name, None)
        self._served.pop(name, None)

    def _start(self, name: str) -> float:
        return max(self._now, self._until.get(name, 0.0))


def filled(order: Sequence[str], images: Mapping[str, int], room: int) -> list[str]:
    """Take streams in order as long as their images fit into a batch; the first is taken in any case."""
    taken = list(order[:1])
    left = room - sum(images[name] for name in taken)
    for name in order[1:]:
        if images[name] <= left:
            taken.append(name)
            left -= images[name]
    return taken


def worth_waiting_s(
    ready: int, room: int, due_in_s: Sequence[float], batch_s: float, waited_s: float
) -> float:
    """Say how long to hold back a batch that is not full; 0 for not at all.

    A batch takes as long full as half empty. Waiting d for m more frames delays each that is ready by d, and
    saves each of the m the rest of a batch that would have begun without it, `batch_s` - d.

    Args:
        ready: frames that are in it, at least one.
        room: for so many more.
        due_in_s: when the next frames of other streams are expected, from now.
        batch_s: what a batch takes.
        waited_s: how long it was held back already; in all it is never longer than MOST_WAIT of `batch_s`.
    """
    best_s, best_gain_s = 0.0, 0.0
    for more, wait_s in enumerate(sorted(due_in_s)[:room], start=1):
        gain_s = more * (batch_s - wait_s) - ready * wait_s
        if wait_s + waited_s <= MOST_WAIT * batch_s and gain_s > best_gain_s:
            best_s, best_gain_s = wait_s, gain_s
    return best_s


def take_at_s(free_s: float, prepare_s: float, infer_s: float) -> float:
    """Say when to take frames that go stale: as late as they can be prepared before the engine is free."""
    return free_s - prepare_s - SPARE_S - SPARE * infer_s


class Recent:
    """What the last few times took, in seconds."""

    def __init__(self) -> None:
        self._durations_s: deque[float] = deque(maxlen=RECENT)

    def add(self, duration_s: float) -> None:
        """Record one."""
        self._durations_s.append(duration_s)

    @property
    def known(self) -> bool:
        """Whether there was one."""
        return bool(self._durations_s)

    @property
    def usual_s(self) -> float:
        """The median; 0 before the first."""
        return median(self._durations_s) if self._durations_s else 0.0

    @property
    def least_s(self) -> float:
        """The shortest; 0 before the first."""
        return min(self._durations_s, default=0.0)

    @property
    def most_s(self) -> float:
        """The longest; 0 before the first."""
        return max(self._durations_s, default=0.0)


class Arrivals:
    """When a stream's next frame is due, by when the last ones came."""

    def __init__(self) -> None:
        self._came_s: float | None = None
        self._between = Recent()

    def add(self, now_s: float) -> None:
        """A frame came."""
        if self._came_s is not None:
            self._between.add(now_s - self._came_s)
        self._came_s = now_s

    def due_in_s(self, now_s: float) -> float | None:
        """Say in how long the next is due, 0 if it is a little late; None if it is overdue, or unknown."""
        if self._came_s is None or not self._between.known:
            return None
        between_s = self._between.usual_s
        left_s = self._came_s + between_s - now_s
        return None if left_s < -LATE * between_s else max(left_s, 0.0)
