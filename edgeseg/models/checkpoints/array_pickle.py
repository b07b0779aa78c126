"""Turn a pickle of NumPy arrays in plain containers into tensors, following its opcodes and calling nothing.

The model zoo of detectron2 and Caffe2's converters write such files. A pickle is a program for a small stack
machine, which may call any function that it names. This machine knows containers, numbers, text, and the few
names by which NumPy writes arrays; it makes these itself, and refuses every other name.
"""

from __future__ import annotations

import math
import pickletools
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from edgeseg.errors import CheckpointError, shown
from edgeseg.models.checkpoints.foreign_objects import refused_objects

RECONSTRUCT = re.compile(r"numpy\.(_core|core)\.multiarray\._reconstruct")
FROM_BUFFER = re.compile(r"numpy\.(_core|core)\.numeric\._frombuffer")
SCALAR = re.compile(r"numpy\.(_core|core)\.multiarray\.scalar")
ENCODE, DTYPE, ARRAY, ORDERED = "_codecs.encode", "numpy.dtype", "numpy.ndarray", "collections.OrderedDict"
NO_BYTES = ("__builtin__.bytes", "builtins.bytes")  # protocol 2 calls it for an empty array's values
PLAIN_DTYPE = re.compile(r"b1|u1|i[1248]|f[248]")
BIG_ENDIAN = ">"

CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
PUSHED = re.compile(r"(BIN)?INT[12]?|LONG[14]?|(BIN)?FLOAT|\w*(STRING|UNICODE|BYTES)8?|BYTEARRAY8")
IGNORED = ("PROTO", "FRAME")
PUTS, GETS = ("PUT", "BINPUT", "LONG_BINPUT"), ("GET", "BINGET", "LONG_BINGET")
LATIN = ("latin1", "latin-1")  # what bytes are written as where a protocol has none

_MARK = object()


@dataclass(frozen=True)
class _Name:
    """A class or function that the file names; it is never imported."""

    full: str


@dataclass
class _DType:
    """A type of numbers, such as `f4`, and their byte order."""

    code: str
    order: str = "<"


@dataclass
class _Unfilled:
    """An array before its shape and values are known, and where the memo holds it."""

    places: list[Any] = field(default_factory=list)


def read_arrays(path: Path) -> Any:
    """Read a pickle of arrays.

    Returns:
        Its containers, with a tensor in the place of every array.

    Raises:
        CheckpointError: if it names anything else than arrays and plain containers.
        ValueError: if it is no pickle, or arrays have not the values that they declare.
    """
    machine = _Machine(path)
    with path.open("rb") as file:
        for opcode, argument, _ in pickletools.genops(file):
            machine.follow(opcode.name, argument)
    return machine.stack[-1]


class _Machine:
    """The stack and the memo of one file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.stack: list[Any] = []
        self.memo: dict[int, Any] = {}

    def follow(self, name: str, argument: Any) -> None:  # noqa: PLR0912 - one branch an opcode
        stack = self.stack
        if name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif PUSHED.fullmatch(name):
            stack.append(argument)
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name == "MARK":
            stack.append(_MARK)
        elif name in TUPLES:
            stack[-TUPLES[name] :] = [tuple(stack[-TUPLES[name] :])]
        elif name in ("TUPLE", "LIST"):
            items = self._since_mark()
            stack.append(tuple(items) if name == "TUPLE" else items)
        elif name == "DICT":
            stack.append(_pairs(self._since_mark()))
        elif name in ("APPEND", "APPENDS"):
            items = self._since_mark() if name == "APPENDS" else [stack.pop()]
            _expect(stack[-1], list).extend(items)
        elif name in ("SETITEM", "SETITEMS"):
            items = self._since_mark() if name == "SETITEMS" else [stack.pop() for _ in "kv"][::-1]
            _expect(stack[-1], dict).update(_pairs(items))
        elif name in PUTS or name == "MEMOIZE":
            self._put(len(self.memo) if name == "MEMOIZE" else argument)
        elif name in GETS:
            stack.append(_shareable(self.memo[argument]))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            module, of_module = argument.split(" ", 1) if name == "GLOBAL" else (stack.pop(-2), stack.pop())
            self._name(f"{module}.{of_module}")
        elif name == "REDUCE":
            arguments = _expect(stack.pop(), tuple)
            stack.append(self._made(_expect(stack.pop(), _Name).full, arguments))
        elif name == "BUILD":
            self._fill(stack.pop())
        elif name != "STOP" and name not in IGNORED:
            raise CheckpointError(f"{self.path} is no pickle of arrays in plain containers: it uses {name}")

    def _since_mark(self) -> list[Any]:
        """Take off the stack what was pushed since the last mark, and the mark."""
        start = max(i for i, item in enumerate(self.stack) if item is _MARK)
        items = self.stack[start + 1 :]
        del self.stack[start:]
        return items

    def _put(self, place: int) -> None:
        top = self.stack[-1]
        self.memo[place] = top
        if isinstance(top, _Unfilled):
            top.places.append(place)

    def _name(self, full: str) -> None:
        patterns = (RECONSTRUCT, FROM_BUFFER, SCALAR)
        if full not in (ENCODE, DTYPE, ARRAY, ORDERED, *NO_BYTES) and not any(
            p.fullmatch(full) for p in patterns
        ):
            raise refused_objects(self.path, [shown(full)])
        self.stack.append(_Name(full))

    def _made(self, full: str, arguments: tuple[Any, ...]) -> Any:
        """Make what calling a name would make."""
        if RECONSTRUCT.fullmatch(full):
            return _Unfilled()
        if full == DTYPE:
            return _DType(str(arguments[0]))
        if full == ORDERED:
            return _pairs([part for pair in (arguments[0] if arguments else ()) for part in pair])
        if full in NO_BYTES and not arguments:
            return b""
        if full == ENCODE and str(arguments[1]) in LATIN:
            return _bytes(arguments[0])
        if FROM_BUFFER.fullmatch(full):
            data, dtype, shape, order = arguments
            return _tensor(shape, dtype, data, column_major=order == "F")
        if SCALAR.fullmatch(full):
            return _tensor((), arguments[0], arguments[1], column_major=False)
        raise CheckpointError(f"{self.path} calls {shown(full)}, which makes no array")

    def _fill(self, state: Any) -> None:
        """Give the array, or the type of numbers, at the top of the stack what was left open."""
        top = self.stack[-1]
        if isinstance(top, _DType):
            top.order = str(_expect(state, tuple)[1])
        elif isinstance(top, _Unfilled):
            _, shape, dtype, column_major, data = _expect(state, tuple)
            self.stack[-1] = _tensor(shape, dtype, data, column_major=bool(column_major))
            for place in top.places:
                self.memo[place] = self.stack[-1]
        else:
            raise CheckpointError(f"{self.path} changes a {type(top).__name__}, which is no array")


def _tensor(shape: Any, dtype: Any, data: Any, *, column_major: bool) -> Tensor:
    """Make a tensor of an array's shape and values, if these are as many as that has."""
    code = _expect(dtype, _DType).code.lstrip("<>=|")
    if not PLAIN_DTYPE.fullmatch(code):
        raise ValueError(f"an array of {shown(code)}, not of numbers")
    numbers = np.dtype(code).newbyteorder(BIG_ENDIAN if dtype.order == BIG_ENDIAN else "<")
    sides = tuple(_expect(side, int) for side in _expect(shape, tuple))
    values = _bytes(data)
    if min(sides, default=0) < 0 or math.prod(sides) * numbers.itemsize != len(values):
        raise ValueError(f"an array of {sides} with {len(values)} bytes")
    array = np.frombuffer(values, numbers).reshape(sides, order="F" if column_major else "C")
    return torch.from_numpy(np.array(array, np.dtype(code), order="C"))


def _bytes(data: Any) -> bytes:
    """Take bytes as they are, or as text that stands for them, as Python 2 wrote them."""
    return data.encode("latin-1") if isinstance(data, str) else bytes(_expect(data, (bytes, bytearray)))


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


def _shareable(item: Any) -> Any:
    """Refuse a container in several places, but a flat tuple: a few would unfold to more than memory."""
    if isinstance(item, (dict, list)) or (
        isinstance(item, tuple) and any(isinstance(part, (dict, list, tuple)) for part in item)
    ):
        raise ValueError("a container in several places")
    return item


def _expect(item: Any, kind: Any) -> Any:
    if not isinstance(item, kind):
        raise ValueError(f"a {type(item).__name__} where another thing should be")
    return item
