"""Name the signal that ended a process."""

from __future__ import annotations

import signal


def signal_name(number: int) -> str:
    """Name a signal by its number; real-time signals have no names but these."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
