"""Choose among the streams on an engine whose frames it takes next, and when."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence

from edgeseg.runtime.streams.dispatch import Recent, Turns, filled, take_at_s, worth_waiting_s
from edgeseg.runtime.streams.stream import Stream


class Scheduler:
    """Whose turn it is: of the streams that have a frame, and room behind the engine, the longest not served.

    A camera's newest frame is taken as late as it can be prepared before the engine is free, a recording's at
    once. A batch that is not full is held back only where the frames that are due would lose more than those
    in it.

    Args:
        room: images that a batch of the engine takes.

    Attributes:
        began_s: when the inference that runs began; None while the engine is free.
    """

    def __init__(self, room: int) -> None:
        self.began_s: float | None = None
        self._room = room
        self._turns = Turns()
        self._inferring = Recent()

    def adopt(self, room: int) -> None:
        """Choose for another engine, of which nobody knows yet how long it takes."""
        self._room = room
        self._inferring = Recent()

    def inferred(self, took_s: float) -> None:
        """Note how long the engine took for a batch."""
        self._inferring.add(took_s)

    def serve(self, stream: Stream) -> None:
        """Note that a stream has had its turn."""
        self._turns.serve(stream.name, stream.images)

    def forget(self, name: str) -> None:
        """Forget a stream that was taken away."""
        self._turns.forget(name)

    def choose(
        self, streams: Sequence[Stream], now_s: float, held_since_s: float | None
    ) -> tuple[list[Stream], float | None]:
        """Choose among the streams that have a frame, and say how long to wait all the same.

        Args:
            streams: all that are on the engine.
            held_since_s: since when a batch is held back though the engine is free; None if there is none.

        Returns:
            Those whose frames are next, if any, and seconds to wait before they are taken: 0 for now, None
            until something changes.
        """
        free_s = self.free_at_s(now_s)
        infer_s = self._inferring.usual_s
        ready = {one.name: one for one in streams if one.may_take(free_s + infer_s)}
        chosen = self._in_turn(ready)
        if not chosen:
            rests_s = [one.rests_until_s - now_s for one in streams if one.feed.has_frame]
            return [], min((each for each in rests_s if each > 0), default=None)
        if all(one.feed.policy == "every" for one in chosen) and self._is_full(chosen):
            return chosen, 0.0
        prepare_s = sum(one.preparing.most_s for one in chosen)
        wait_s = take_at_s(free_s, prepare_s, infer_s) - now_s if self._is_busy else 0.0
        if wait_s > 0:
            return chosen, wait_s if wait_s < math.inf else None
        while any(one.feed.is_stale for one in chosen):  # its turn came sooner than it was told
            for one in chosen:
                if one.feed.is_stale:
                    one.expect(None)
                    del ready[one.name]
            chosen = self._in_turn(ready)
        if not chosen:
            return [], None
        waited_s = 0.0 if held_since_s is None else now_s - held_since_s
        return chosen, self._hold_s(chosen, streams, now_s, waited_s)

    def expect(self, chosen: Sequence[Stream], streams: Sequence[Stream]) -> None:
        """Tell cameras when their next frame will be taken, so that those before need not be decoded."""
        now_s = time.monotonic()
        infer_s = self._inferring.least_s
        next_s = self.free_at_s(now_s) + infer_s if self._is_busy else now_s + infer_s
        waiting = {one.name: one for one in streams if one not in chosen and one.feed.has_frame}
        queued = sum(one.images for one in waiting.values())
        for one in chosen:
            one.expect(self._expected_s(next_s, queued))
        ahead = 0
        for name in self._turns.order(waiting):
            waiting[name].expect(self._expected_s(next_s, ahead))
            ahead += waiting[name].images

    def free_at_s(self, now_s: float) -> float:
        """Say when the engine will be free, by the shortest of the last few inferences."""
        began_s = self.began_s
        if began_s is None:
            return now_s
        return max(now_s, began_s + self._inferring.least_s) if self._inferring.known else math.inf

    def _in_turn(self, ready: Mapping[str, Stream]) -> list[Stream]:
        images = {name: one.images for name, one in ready.items()}
        return [ready[name] for name in filled(self._turns.order(ready), images, self._room)]

    def _hold_s(
        self, chosen: Sequence[Stream], streams: Sequence[Stream], now_s: float, waited_s: float
    ) -> float:
        """Say how long to hold back a batch for frames that are due."""
        if self._is_full(chosen):
            return 0.0
        others = [one for one in streams if one not in chosen and not one.done]
        due_s = [due for one in others if (due := one.arrivals.due_in_s(now_s)) is not None]
        used = sum(one.images for one in chosen)
        return worth_waiting_s(used, self._room - used, due_s, self._inferring.usual_s, waited_s)

    def _expected_s(self, next_s: float, images: int) -> float:
        """Say when a stream's turn comes behind so many images, an inference early: others may have none."""
        return next_s + max(images // self._room - 1, 0) * self._inferring.least_s

    def _is_full(self, chosen: Sequence[Stream]) -> bool:
        return sum(one.images for one in chosen) >= self._room

    @property
    def _is_busy(self) -> bool:
        return self.began_s is not None
