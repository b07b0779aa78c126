"""What runs in a process that MNN has to itself: it loads one model and answers images until its input ends.

Messages are pickled, one after another: from the parent a `Load`, then images (N, H, W, C); from here, for
each of them, an `Answer`. Where there is memory that both see, arrays lie there, and messages say where. All
that MNN prints goes into a file; where it fails, its last line is the reason.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from edgeseg.engines.mnn.shared import Place, SharedArrays

STDOUT, STDERR = 1, 2
PROTOCOL = 5  # of pickle, which writes arrays without copying them first


@dataclass(frozen=True)
class Load:
    """What to load.

    Attributes:
        model: path of a converted model.
        outputs: names of its outputs, in the order in which they are given.
        config: of MNN's runtime manager.
        hints: what else it is told, by numbers that MNN's headers name.
        memory: descriptor of memory that both processes see; None if there is none.
    """

    model: str
    outputs: Sequence[str]
    config: Mapping[str, Any]
    hints: Mapping[int, int]
    memory: int | None = None


@dataclass(frozen=True)
class Loaded:
    """What was loaded, as the library tells: its version, and the inputs' types and sizes by name."""

    version: str
    inputs: Mapping[str, tuple[str, tuple[int, ...]]]


@dataclass(frozen=True)
class Answer:
    """What became of a message: what it asked for, or why there is none."""

    value: Any = None
    failure: str | None = None


class NoOutputsError(Exception):
    """MNN did not compute; why, it has printed."""


def serve() -> None:
    """Answer all that comes from the standard input by the standard output; ends the process."""
    answers = os.fdopen(os.dup(STDOUT), "wb")
    log = divert_output()
    requests = sys.stdin.buffer
    run: Callable[[Any], Any] = load
    with suppress(EOFError, BrokenPipeError):  # the parent has closed this engine, or is gone
        while True:
            try:
                value = run(pickle.load(requests))
                if run is load:
                    run, value = value
                answer = Answer(value)
            except EOFError:
                raise
            except (SystemError, NoOutputsError) as error:  # SystemError: what Python makes of MNN's own
                answer = Answer(failure=last_line(log) or str(error.__cause__ or error))
            except Exception as error:
                answer = Answer(failure=f"{type(error).__name__}: {error}")
            pickle.dump(answer, answers, PROTOCOL)
            answers.flush()
            log.seek(0)  # where printing goes on, too
            log.truncate()
    os._exit(0)  # without MNN's own destructors, which some of its versions crash in


def load(order: Load) -> tuple[Callable[[Any], list[NDArray[Any]] | list[Place]], Loaded]:
    """Load a model; returns what runs it, and what it is."""
    import MNN
    from MNN import expr, nn

    manager = nn.create_runtime_manager((dict(order.config),))
    for hint, value in order.hints.items():
        manager.set_hint(hint, value)
    module = nn.load_module_from_file(order.model, ["image"], list(order.outputs), runtime_manager=manager)
    info = module.get_info()
    inputs = dict(zip(info["inputNames"], info["inputs"], strict=True))
    loaded = Loaded(MNN.version(), {n: (_numpy_name(v.dtype), tuple(v.shape)) for n, v in inputs.items()})
    (kind,) = (value.dtype for value in inputs.values())

    memory = None if order.memory is None else SharedArrays(order.memory)

    def run(message: NDArray[Any] | Place) -> list[NDArray[Any]] | list[Place]:
        image = memory.view(message) if memory is not None and isinstance(message, Place) else message
        assert isinstance(image, np.ndarray)
        placeholder = expr.placeholder(list(image.shape), expr.NCHW, kind)
        placeholder.write(image)
        found = module.forward([placeholder])
        if len(found) != len(order.outputs):
            raise NoOutputsError("it gave no outputs")
        outputs = [_read(expr, value) for value in found]
        return outputs if memory is None else memory.put(outputs)

    return run, loaded


def _numpy_name(dtype: Any) -> str:
    name = str(dtype).rpartition(".")[2]
    return "float32" if name == "float" else name


def _read(expr: Any, value: Any) -> NDArray[Any]:
    """Read an output, from MNN's own layout if it has that; an empty one it does not give."""
    if 0 in value.shape:
        return np.zeros(value.shape, np.float32)
    if value.data_format == expr.NC4HW4:
        value = expr.convert(value, expr.NCHW)
    array: NDArray[Any] = value.read().reshape(value.shape)
    return array


def last_line(log: BinaryIO) -> str:
    """Give the last line that MNN printed since the file was emptied."""
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
