"""Turn the timestamps of packets and decoded frames into positions in the source, times, and losses."""

from __future__ import annotations

from heapq import heappop, heappush

JUMP_BACK_S = 0.2  # timestamps that fall behind by more are those of another recording, appended
JUMP_AHEAD_S = 10.0  # so are those that run ahead by more, though that may also be a long still
ECHO_FRAMES = 4  # the container complains up to so many frames before the gap that it means


class Timeline:
    """Where each decoded frame stands among those that the source holds, in order of presentation.

    Packets are announced as they are read, frames as they come out of the decoder, later. A packet that gives
    no frame is a lost one only where the decoder or the container complained meanwhile: fields come in two
    packets, and some packets are not meant to be shown. Where whole packets may be missing, the gap in time
    tells how many frames are, again only after a complaint: a gap alone is a variable frame rate.

    Args:
        tick_s: seconds of one unit of the timestamps, one tick.
        interval: ticks between frames by the nominal rate, None where it is unknown.
        complete: the container lists every frame, so that none goes missing without its packet.

    Attributes:
        next_index: position of the next frame.
        lost: frames that the source should hold and that did not come out sound.
    """

    def __init__(self, tick_s: float, interval: int | None, *, complete: bool) -> None:
        self.next_index = 0
        self.lost = 0
        self._tick_s = tick_s
        self._interval = interval  # of late, between two sound frames in a row
        self._complete = complete
        self._awaited: list[int] = []  # heap: timestamps of packets whose frames have not come
        self._suspect: set[int] = set()  # those of them that the container calls damaged
        self._complaints = 0  # of the decoder, not yet accounted for
        self._gap_possible = 0  # frames for which a gap in time still means loss
        self._shift = 0  # added to timestamps: recordings in a row in one file may each begin anew
        self._decoded_at: int | None = None  # of the last packet in order of decoding
        self._shown_at: int | None = None  # of the last frame

    def shift(self, dts: int | None) -> int:
        """Return what is to be added to the timestamps of the next packet, so that time does not run back."""
        if dts is None:
            return self._shift
        if self._decoded_at is not None:
            behind = self._decoded_at - (dts + self._shift)
            if behind * self._tick_s > JUMP_BACK_S:
                self._shift += behind + (self._interval or 1)
        self._decoded_at = dts + self._shift
        return self._shift

    def announce(self, stamp: int | None, *, damaged: bool) -> None:
        """Take note of a packet that is to be shown at `stamp`, shift included."""
        if damaged:
            self._gap_possible = ECHO_FRAMES
        if stamp is None:
            return
        heappush(self._awaited, stamp)
        if damaged:
            self._suspect.add(stamp)

    def complain(self) -> None:
        """Take note that the decoder failed on one packet."""
        self._complaints += 1
        self._gap_possible = ECHO_FRAMES

    def place(self, stamp: int | None, *, damaged: bool) -> int | None:
        """Return the position of a frame, or None where it is damaged and counts as lost.

        Args:
            stamp: its timestamp, None where it has none.
        """
        missing = self._pass_over(stamp)
        if stamp is not None:
            damaged = damaged or stamp in self._suspect
            self._suspect.discard(stamp)
            if damaged:
                self._gap_possible = ECHO_FRAMES
            missing = max(missing, self._gap(stamp))
        self.lost += missing
        self.next_index += missing + 1
        if stamp is not None:
            if self._shown_at is not None and not missing and stamp > self._shown_at:
                self._interval = stamp - self._shown_at
            self._shown_at = stamp
        if damaged:
            self.lost += 1
            return None
        self._gap_possible = max(self._gap_possible - 1, 0)
        return self.next_index - 1

    def end(self) -> None:
        """Count what never came out."""
        self.lost += self._pass_over(None, at_end=True)

    def _pass_over(self, stamp: int | None, *, at_end: bool = False) -> int:
        """Forget the packets shown before `stamp` and return how many of them were frames that are lost."""
        silent = suspect = 0
        while self._awaited and (at_end or (stamp is not None and self._awaited[0] <= stamp)):
            passed = heappop(self._awaited)
            if passed == stamp:
                break
            silent += 1
            suspect += passed in self._suspect
            self._suspect.discard(passed)
        lost = max(min(silent, self._complaints), suspect)
        self._complaints = max(self._complaints - lost, 0) if silent else self._complaints
        return lost

    def _gap(self, stamp: int) -> int:
        """Return how many frames are missing before this one, judged by the time since the last."""
        if self._complete or not self._gap_possible or self._shown_at is None or not self._interval:
            return 0
        gap = stamp - self._shown_at
        return 0 if gap * self._tick_s > JUMP_AHEAD_S else max(round(gap / self._interval) - 1, 0)


def jumps(dts: int | None, later: int | None, tick_s: float) -> bool:
    """Tell whether the packet after one at `dts` is that of another recording, appended."""
    if dts is None or later is None:
        return False
    return not -JUMP_BACK_S <= (later - dts) * tick_s <= JUMP_AHEAD_S
