"""Turn the timestamps of packets and decoded frames into positions in the source, times, and losses."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from heapq import heappop, heappush

JUMP_BACK_S = 0.2  # timestamps that fall behind by more are those of another recording, appended
JUMP_AHEAD_S = 10.0  # so are those that run ahead by more, though that may also be a long still
ECHO_FRAMES = 4  # the container complains up to so many frames before the gap that it means
REGULAR = 0.25  # of an interval: so far a frame of a constant rate may be from its time
ALMOST = 0.6  # of an interval: what a gap has beyond whole ones counts as one
REMEMBERED = 16  # gaps; frames come out of order by less


class Gaps(Enum):
    """What a gap in time must come with to be a loss: alone, it may be a variable frame rate.

    Attributes:
        NEVER: the container lists every frame, so that none goes missing without its packet.
        BREAK: the container could not be read there.
        TROUBLE: that, or the decoder complained of what it was given there, or the bytes there show it.
    """

    NEVER = auto()
    BREAK = auto()
    TROUBLE = auto()


class Timeline:
    """Where each decoded frame stands among those that the source holds, in order of presentation.

    Packets are announced as they are read, frames as they come out of the decoder, later. A packet that gives
    no frame is a lost one where each packet is to give one; elsewhere (fields come in two packets, and some
    are not meant to be shown) only if the decoder or the container complained meanwhile. Packets that are
    missing leave a gap in time; see `Gaps`.

    Args:
        tick_s: seconds of one unit of the timestamps, one tick.
        interval: ticks between frames by the nominal rate, None where it is unknown.
        gaps: which gaps in time are losses.
        each_shown: each packet is to give a frame.
        own_times: the timestamps of packets are those of their frames; else they only count packets.
        is_broken: tells whether the bytes between the packets of two timestamps show damage.

    Attributes:
        next_index: position of the next frame.
        lost: frames that the source should hold and that did not come out sound.
        first_lost: position and timestamp of the first of them.
        latest: the latest timestamp of a packet.
    """

    def __init__(
        self,
        tick_s: float,
        interval: float | None,
        *,
        gaps: Gaps = Gaps.TROUBLE,
        each_shown: bool = False,
        own_times: bool = True,
        is_broken: Callable[[int, int], bool] | None = None,
    ) -> None:
        self.next_index = 0
        self.lost = 0
        self.first_lost: tuple[int, int | None] | None = None
        self.latest: int | None = None
        self._tick_s = tick_s
        self._nominal = interval
        self._late = interval  # between the last two sound frames in a row
        self._gaps = gaps
        self._each_shown = each_shown and own_times
        self._own_times = own_times
        self._is_broken = is_broken
        self._awaited: list[int] = []  # heap: timestamps of packets whose frames have not come
        self._suspect: set[int] = set()  # those of them that the container calls damaged
        self._last: int | None = None  # of the last packet in order of decoding
        self._complaints = 0  # of the decoder, not yet accounted for
        self._trouble_until: int | None = None  # a gap that begins up to then means loss
        self._echoes = 0  # packets by which that moves on
        self._shift = 0  # added to timestamps: recordings in a row in one file may each begin anew
        self._decoded_at: int | None = None  # of the last packet, its time of decoding
        self._seen_dependent = False  # pictures that need others, so that keyframes are told apart
        self._shown_at: int | None = None  # of the last frame
        self._first_passed: int | None = None  # of the packets that were passed over last
        self._passed: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)  # gaps that are accounted for

    def shift(self, dts: int | None, pts: int | None = None, *, is_keyframe: bool = False) -> int:
        """Return what is to be added to the timestamps of the next packet, so that time does not run back.

        Times of decoding tell, or what tables say: what is decoded before a keyframe is shown before it.
        """
        if self._gaps is not Gaps.TROUBLE:
            self._seen_dependent |= not is_keyframe
            if is_keyframe and pts is not None and self.latest is not None:
                self._follow_keyframe(pts + self._shift)
            return self._shift
        if dts is None:
            return self._shift
        if self._decoded_at is not None:
            behind = self._decoded_at - (dts + self._shift)
            if behind * self._tick_s > JUMP_BACK_S:
                self._shift += behind + self._step
        self._decoded_at = dts + self._shift
        return self._shift

    def _follow_keyframe(self, stamp: int) -> None:
        behind = (self.latest or 0) - stamp
        indexed = self._gaps is Gaps.NEVER and self._seen_dependent  # else all are called keyframes
        if behind >= 0 if indexed else behind * self._tick_s > JUMP_BACK_S:
            self._shift += behind + self._step
        elif behind >= 0:
            self._each_shown = False  # such times do not tell which frame is whose

    def begin(self, stamp: int) -> None:
        """Take note that the recording begins there, though the first frames of it cannot be read."""
        self._shown_at = stamp - self._step
        self.interrupt()

    def announce(self, stamp: int | None, *, damaged: bool) -> None:
        """Take note of a packet that is to be shown at `stamp`, shift included."""
        self._last = stamp
        if stamp is not None:
            heappush(self._awaited, stamp)
            self.latest = stamp if self.latest is None else max(self.latest, stamp)
            if damaged:
                self._suspect.add(stamp)
        if damaged:
            self.interrupt()
        elif self._echoes:
            self._echoes -= 1
            self._trouble_until = self.latest

    def complain(self) -> None:
        """Take note that the decoder failed on one packet."""
        self._complaints += 1
        if self._gaps is Gaps.TROUBLE:
            self.interrupt()
        if not self._own_times and self._last is not None:
            self._suspect.add(self._last)

    def interrupt(self) -> None:
        """Take note that the container could not be read just before the last packet, or behind it."""
        self._trouble_until = self.latest
        self._echoes = ECHO_FRAMES

    def time_of(self, stamp: int | None) -> int | None:
        """Return when the next frame is shown: at its timestamp, or when its turn comes."""
        if self._own_times:
            return stamp
        return min((due for due in self._awaited if due not in self._suspect), default=None)

    def place(self, stamp: int | None, *, damaged: bool, interlaced: bool = False) -> int | None:
        """Return the position of a frame, or None where it is damaged and counts as lost.

        Args:
            stamp: its timestamp, None where it has none.
            interlaced: it may have come in two packets.
        """
        if stamp is not None and any(begin < stamp < end for begin, end in self._passed):
            return None  # its place is behind
        unseen = self._pass_over(stamp, certain=self._each_shown and not interlaced)
        missing = unseen
        if stamp is not None:
            damaged = damaged or stamp in self._suspect
            self._suspect.discard(stamp)
            missing = self._missing(stamp, unseen)
            if missing and self._shown_at is not None:
                self._passed.append((self._shown_at, stamp))
            elif self._shown_at is not None and stamp > self._shown_at:
                self._late = stamp - self._shown_at
        if missing or damaged:
            self._lose(missing + damaged, self._first_missing() if missing else stamp)
        self.next_index += missing + 1
        if stamp is not None:
            self._shown_at = stamp
        return None if damaged else self.next_index - 1

    @property
    def breaks_off(self) -> bool:
        """Whether the container could not be read behind the last packet."""
        return self._gaps is Gaps.BREAK and self._echoes == ECHO_FRAMES

    def end(self, *, interlaced: bool = False, stated_end: int | None = None) -> None:
        """Count what never came out, and what should have come behind it up to a stated end."""
        missing = self._pass_over(None, certain=self._each_shown and not interlaced, at_end=True)
        if stated_end is not None and self.latest is not None and self._nominal:
            missing += max(round((stated_end - self.latest) / self._nominal) - 1, 0)
        if missing:
            self._lose(missing, self._first_missing())

    def _lose(self, count: int, stamp: int | None) -> None:
        if self.first_lost is None:
            self.first_lost = (self.next_index, stamp)
        self.lost += count

    def _first_missing(self) -> int | None:
        """Say when the frame behind the last one should have been shown."""
        return self._first_passed if self._shown_at is None else self._shown_at + self._step

    @property
    def _interval(self) -> float | None:
        """Between two frames here, in ticks: the nominal one unless it is another."""
        if self._late is None or self._nominal is None:
            return self._late
        intervals = self._late / self._nominal
        return self._nominal if intervals < REGULAR or abs(intervals - 1) <= REGULAR else self._late

    @property
    def _step(self) -> int:
        return round(self._interval or 1)

    def _pass_over(self, stamp: int | None, *, certain: bool, at_end: bool = False) -> int:
        """Forget the packets shown before `stamp` and return how many of them were frames that are lost."""
        if stamp is None and not at_end:
            if self._awaited:
                heappop(self._awaited)
            return 0
        silent = suspect = 0
        self._first_passed = self._awaited[0] if self._awaited else None
        while self._awaited and (at_end or (stamp is not None and self._awaited[0] <= stamp)):
            passed = heappop(self._awaited)
            if passed == stamp:
                break
            silent += 1
            suspect += passed in self._suspect
            self._suspect.discard(passed)
        lost = silent if certain else max(min(silent, self._complaints), suspect)
        self._complaints = max(self._complaints - lost, 0) if silent else self._complaints
        return lost

    def _missing(self, stamp: int, unseen: int) -> int:
        """Return how many frames are missing before this one, by packets without frames and by time."""
        if self._gaps is Gaps.NEVER or self._shown_at is None or not self._interval:
            return unseen
        gap = stamp - self._shown_at
        if self._gaps is Gaps.TROUBLE and gap * self._tick_s > JUMP_AHEAD_S:
            return unseen
        by_time = max(int(gap / self._interval + 1 - ALMOST) - 1, 0)
        if by_time > unseen:
            troubled = self._trouble_until is not None and self._shown_at <= self._trouble_until
            broken = self._is_broken is not None and self._is_broken(self._shown_at, stamp)
            return by_time if troubled or broken else unseen
        # Where packets are missing, what is left of two may pass for a third.
        return by_time if self._is_broken is not None and self._interval == self._nominal else unseen


def jumps(dts: int | None, later: int | None, tick_s: float) -> bool:
    """Tell whether the packet after one at `dts` is that of another recording, appended."""
    if dts is None or later is None:
        return False
    return not -JUMP_BACK_S <= (later - dts) * tick_s <= JUMP_AHEAD_S
