"""Raise one KeyboardInterrupt for Ctrl-C and a service manager's stop, however often they come."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

INTERRUPTED = 130  # the shell's status for Ctrl-C
STOPS = ("SIGINT", "SIGTERM", "SIGHUP")  # Ctrl-C, a service manager, and a terminal that is gone
RELOAD = "SIGHUP"  # to a service, which has no terminal
GRACE_S = 5.0
"""Signals within this time of the one before are the same wish: another exception would cut short the tidying
that the first began. Later ones are heard, as the first may have been swallowed, or what tidies may hang."""

_times_s: list[float] = []  # when signals came


def hear() -> None:
    """From now on raise KeyboardInterrupt in the main thread; what is ignored, as under nohup, stays so."""
    for number in _numbers():
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)


@contextmanager
def kept() -> Iterator[None]:
    """After the block hear signals as before it, whatever a library, such as Ray, made of them within."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _numbers()}
    try:
        yield
    finally:
        for number, handler in before.items():
            if handler is not None:
                signal.signal(number, handler)  # also where Python knows of no change


@contextmanager
def hear_reloads() -> Iterator[Callable[[], bool]]:
    """Within the block take SIGHUP for the wish to read settings again, also where it was ignored.

    Returns:
        What says whether there was such a wish since it was last asked. It takes no lock: the thread that the
        signal interrupts might hold it.
    """
    wishes: list[int] = []

    def wished() -> bool:
        count = len(wishes)
        del wishes[:count]
        return count > 0

    if not hasattr(signal, RELOAD):  # as on Windows
        yield wished
        return
    number = getattr(signal, RELOAD)
    before = signal.signal(number, lambda number, frame: wishes.append(number))
    try:
        yield wished
    finally:
        signal.signal(number, before)


def stop_requested() -> bool:
    """Whether this process was asked to stop."""
    return bool(_times_s)


def finish() -> None:
    """From now on heed no signal: all is done but the interpreter's own end, which would tell of it."""
    for number in _numbers():
        if signal.getsignal(number) is _interrupt:
            signal.signal(number, signal.SIG_IGN)


def _numbers() -> list[int]:
    return [getattr(signal, name) for name in STOPS if hasattr(signal, name)]  # Windows has no SIGHUP


def _interrupt(number: int, frame: FrameType | None) -> None:
    now_s = time.monotonic()
    is_new = not _times_s or now_s - _times_s[-1] > GRACE_S
    _times_s.append(now_s)
    if is_new:
        raise KeyboardInterrupt
