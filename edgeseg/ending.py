"""End a process in whose libraries threads are left behind, which nobody can stop."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from contextlib import suppress


def end_beside_threads(status: int) -> None:
    """If threads are left behind, do what is done at exit, and end with `status`; else return.

    A thread that hangs in FFmpeg or in a driver may wake while the interpreter and its libraries are taken
    down around it, and crash a process that has done its work.
    """
    if not any(thread.daemon for thread in threading.enumerate()):
        return
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads it any more
            stream.flush()
    os._exit(status)
