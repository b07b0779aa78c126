"""What runs in a process that a library has to itself: it loads one model and answers images, to its end.

Messages are pickled, one after another: from the parent an `Order`, then images (N, H, W, C); from here, for
each of them, an `Answer`. Where there is memory that both see, arrays lie there, and messages say where. All
that the library prints goes into a file; where it fails, its last line is the reason.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, BinaryIO

from numpy.typing import NDArray

from edgeseg.engines.apart.shared import Place, SharedArrays

STDOUT, STDERR = 1, 2
PROTOCOL = 5  # of pickle, which writes arrays without copying them first

Run = Callable[[NDArray[Any]], list[NDArray[Any]]]
"""Runs a model on images (N, H, W, C); returns its outputs in the order in which they were named."""

Load = Callable[[Any], tuple[Run, Any]]
"""Takes what the parent wants loaded, and gives what runs it and what the parent is told of it."""


@dataclass(frozen=True)
class Order:
    """The first message.

    Attributes:
        load: what to load, in the words of the library's own `Load`.
        memory: descriptor of memory that both processes see; None if there is none.
    """

    load: Any
    memory: int | None


@dataclass(frozen=True)
class Answer:
    """What became of a message: what it asked for, or why there is none."""

    value: Any = None
    failure: str | None = None


class PrintedError(Exception):
    """The library did not compute; why, it has printed."""


def serve(load: Load) -> None:
    """Answer all that comes from the standard input by the standard output; ends the process."""
    answers = os.fdopen(os.dup(STDOUT), "wb")
    log = divert_output()
    requests = sys.stdin.buffer
    run: Callable[[Any], Any] = partial(_loaded, load)
    is_loaded = False
    with suppress(EOFError, BrokenPipeError):  # the parent has closed this engine, or is gone
        while True:
            try:
                value = run(pickle.load(requests))
                if not is_loaded:
                    (run, value), is_loaded = value, True
                answer = Answer(value)
            except EOFError:
                raise
            except (SystemError, PrintedError) as error:  # SystemError: what Python makes of a library's own
                answer = Answer(failure=last_line(log) or str(error.__cause__ or error))
            except Exception as error:
                answer = Answer(failure=f"{type(error).__name__}: {error}")
            pickle.dump(answer, answers, PROTOCOL)
            answers.flush()
            log.seek(0)  # where printing goes on, too
            log.truncate()
    os._exit(0)  # without the library's own destructors, which some versions of MNN crash in


def _loaded(load: Load, order: Order) -> tuple[Callable[[Any], Any], Any]:
    """Load a model; returns what answers messages about it, and what the parent is told."""
    run, told = load(order.load)
    if order.memory is None:
        return run, told
    memory = SharedArrays(order.memory)

    def answer(place: Place) -> Sequence[Place]:
        return memory.put(run(memory.view(place)))

    return answer, told


def last_line(log: BinaryIO) -> str:
    """Give the last line that was printed since the file was emptied."""
    with suppress(AttributeError, OSError, TypeError):  # elsewhere than on POSIX, or with another C library
        ctypes.CDLL(None).fflush(None)  # its own buffers
    log.seek(0)
    lines = [line.strip() for line in log.read().decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else ""


def divert_output() -> BinaryIO:
    """Let this process print into a file, which is returned, and into nothing else."""
    log = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 - for as long as the process lives
    for stream in (STDOUT, STDERR):
        os.dup2(log.fileno(), stream)
    return log
