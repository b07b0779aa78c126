"""Run a model in a process that its library has to itself, so that it can print, block and crash there.

A library may print to the standard output, hold Python's lock while it computes, and end the process by a
signal where a graph holds what it does not know.
"""

from __future__ import annotations

import pickle
import subprocess
import weakref
from contextlib import suppress
from importlib.util import find_spec
from typing import Any, Generic, TypeVar

from numpy.typing import NDArray

from edgeseg.engines.apart.serving import PROTOCOL, Answer, Order
from edgeseg.engines.apart.shared import SharedArrays
from edgeseg.engines.command import command_of
from edgeseg.engines.facts import Facts
from edgeseg.errors import EngineError, MissingExtraError
from edgeseg.signals import signal_name

Loaded = TypeVar("Loaded")

_CLOSE_S = 5.0  # for a process to end by itself


def check_installed(facts: Facts) -> None:
    """Look for a backend's library without importing it, which may print. Raises MissingExtraError."""
    if find_spec(facts.modules[0]) is None:
        raise MissingExtraError(facts.modules[0], facts.extra)


class Process(Generic[Loaded]):
    """A model in a process of its own; one message at a time.

    Args:
        title: the library's.
        serve: what runs in the process, as `package.module:function`; calls `serving.serve`.
        load: what to load, in the words of what `serve` calls to load it.

    Attributes:
        loaded: what was told of the model.

    Raises:
        EngineError: if the process does not start, or the library refuses the model.
    """

    def __init__(self, title: str, serve: str, load: Any) -> None:
        self._memory = SharedArrays.create()
        shared = () if self._memory is None else (self._memory.descriptor,)
        try:
            self._popen = subprocess.Popen(
                command_of(serve),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                pass_fds=shared,
                start_new_session=True,  # an interrupt of the terminal is for the parent to handle
            )
        except OSError as error:
            if self._memory is not None:
                self._memory.close()
            raise EngineError(f"{title} cannot start a process of its own: {error}") from error
        self._end = weakref.finalize(self, _end, self._popen, self._memory)
        try:
            self.loaded: Loaded = self._ask(Order(load, next(iter(shared), None)))
        except BaseException:
            self.close()
            raise

    def infer(self, image: NDArray[Any]) -> list[NDArray[Any]]:
        """Run one batch of images (N, H, W, C); returns the outputs in the order in which they were named.

        Raises:
            EngineError: if the library fails, or its process has ended.
        """
        if self._memory is None:
            outputs: list[NDArray[Any]] = self._ask(image)
            return outputs
        if not self._end.alive:
            raise EngineError(self._ended())
        (place,) = self._memory.put([image])
        return [self._memory.view(one).copy() for one in self._ask(place)]

    def _ask(self, message: Any) -> Any:
        """Send a message and wait for what it asked for."""
        requests, answers = self._popen.stdin, self._popen.stdout
        assert requests is not None
        assert answers is not None
        if not self._end.alive:
            raise EngineError(self._ended())
        try:
            pickle.dump(message, requests, PROTOCOL)
            requests.flush()
            answer: Answer = pickle.load(answers)
        except (OSError, EOFError, ValueError, pickle.UnpicklingError) as error:
            self.close()
            raise EngineError(self._ended()) from error
        except BaseException:  # interrupted: what comes back later would be taken for the next answer
            self._popen.kill()
            self.close()
            raise
        if answer.failure is not None:
            raise EngineError(answer.failure)
        return answer.value

    @property
    def id(self) -> int:
        """The number that the system gives the process."""
        return self._popen.pid

    def close(self) -> None:
        """End the process; closing twice is allowed."""
        self._end()

    def forked(self) -> None:
        """Leave the process to the parent of this one."""
        self._end.detach()

    def _ended(self) -> str:
        return f"its process ended{_signal_of(self._popen.returncode)}; open the engine again"


def _end(popen: subprocess.Popen[bytes], memory: SharedArrays | None) -> None:
    """Close what the process reads, so that it ends by itself, and wait for it."""
    with suppress(OSError):  # it has ended before, and something was left to write
        if popen.stdin is not None:
            popen.stdin.close()
    try:
        popen.wait(_CLOSE_S)
    except subprocess.TimeoutExpired:
        popen.kill()
        popen.wait()
    if popen.stdout is not None:
        popen.stdout.close()
    if memory is not None:
        memory.close()


def _signal_of(status: int | None) -> str:
    """Name the signal that ended a process, if one did."""
    return "" if status is None or status >= 0 else f" by {signal_name(-status)}"
