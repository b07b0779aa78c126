"""Turn Python objects in a PyTorch file into inert stand-ins: its weights load, and its code never runs.

A pickle is a program for a small stack machine; it names classes and functions and has them called. PyTorch's
reader for weights alone (`weights_only=True`) refuses every name it does not know. Training scripts store
harmless objects beside the weights: paths, dates, arguments. Here the program is read, not run, to learn
which names it uses and what it does to what they make; each harmless name is then given to PyTorch's reader
as a class of ours that ignores whatever it is called with. Nothing that a file names is ever imported.
"""

from __future__ import annotations

import _compat_pickle
import pickletools
import re
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any, ClassVar

import torch

from edgeseg.errors import CheckpointError

MOST_NAMES = 1000  # in a file; the checkpoints of the largest frameworks have tens
PROTOCOL = 2  # of pickles that PyTorch's reader for weights alone takes
SAVE_WEIGHTS_ALONE = "save the weights alone: torch.save(model.state_dict(), PATH)"
LEGACY_PICKLES = 4  # in a file of PyTorch before 1.6: magic number, version, system, content
READ_BY_PYTORCH = re.compile(
    r"torch\.\w+|torch\.(_utils|_tensor|storage|serialization|nn\.parameter)\..*"
    r"|collections\.(OrderedDict|Counter)|builtins\.(bytearray|complex|set)|_codecs\.encode"
)
"""What PyTorch's reader makes itself, or refuses: tensors and what they are made of, and a few containers."""

HARMLESS_MODULES = (
    "argparse",
    "collections",
    "datetime",
    "decimal",
    "enum",
    "fractions",
    "ipaddress",
    "numbers",
    "pathlib",
    "pathlib._local",
    "typing",
    "uuid",
    "zoneinfo",
)
HARMLESS_NAMES = (
    "builtins.Ellipsis",
    "builtins.bool",
    "builtins.bytearray",
    "builtins.bytes",
    "builtins.complex",
    "builtins.dict",
    "builtins.float",
    "builtins.frozenset",
    "builtins.int",
    "builtins.list",
    "builtins.object",
    "builtins.range",
    "builtins.set",
    "builtins.slice",
    "builtins.str",
    "builtins.tuple",
    "builtins.type",
    "_codecs.encode",
    "copyreg._reconstructor",
    "functools.partial",
    "operator.getitem",  # types, such as List[int]
    "re._compile",
    "time.struct_time",
    "types.MappingProxyType",
    "types.SimpleNamespace",
)
"""Of Python's own library, names of mere data; the rest of it is code that a file has no business with."""

GETATTR = "builtins.getattr"
"""Of a class that is not Python's own: a member of an enumeration, as Python 3.11 stored it before 3.11.4."""


@dataclass(frozen=True)
class ForeignObjects:
    """The names that a file's pickles use.

    Attributes:
        protocol: of the pickles, the highest.
        uses: for each `module.name`, what is done to what it makes: names of pickle's opcodes.
    """

    protocol: int = 0
    uses: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def code(self) -> list[str]:
        """List the names that mean code, which files of weights do not use."""
        return [name for name in self.uses if not self._is_harmless(name)]

    @property
    def replaced(self) -> list[str]:
        """List the names that inert stand-ins take the place of."""
        return [name for name in self.uses if self._is_harmless(name) and not READ_BY_PYTORCH.fullmatch(name)]

    def _is_harmless(self, name: str) -> bool:
        if name == GETATTR:
            return "REDUCE" not in self.uses[name]
        module, _, _ = name.rpartition(".")
        return not _is_from_python(name) or module in HARMLESS_MODULES or name in HARMLESS_NAMES


class StandIn:
    """In place of an object of the file: ignores what it is made of and what is put into it.

    Attributes:
        replaced: `module.name` of the class.
    """

    __slots__ = ()
    replaced: ClassVar[str]

    def __new__(cls, *arguments: Any) -> StandIn:
        """Make one, whatever the file says."""
        return object.__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Ignore the object's attributes."""


class _StandInMapping(StandIn):
    """In place of a dictionary of another class: a plain one, which may hold the weights."""

    def __new__(cls, *arguments: Any) -> Any:
        return OrderedDict()


class _StandInList(StandIn):
    """In place of a list of another class: a plain one."""

    def __new__(cls, *arguments: Any) -> Any:
        return []


def find_foreign_objects(path: Path) -> ForeignObjects:
    """Read, without running them, which names a PyTorch file's pickles use.

    Returns:
        What was read up to the first damage, if the file is damaged; PyTorch's reader will say so.
    """
    found: dict[str, set[str]] = {}
    protocol = 0
    try:
        for stream in pickles_of(path):
            for said in _follow(stream, found):
                protocol = max(protocol, said)
    except Exception:  # a damaged file can make the readers of zip and pickle raise anything
        pass
    return ForeignObjects(protocol, {name: frozenset(uses) for name, uses in found.items()})


@contextmanager
def stand_ins(objects: ForeignObjects) -> Iterator[None]:
    """Have PyTorch's reader for weights alone put stand-ins in the place of harmless objects."""
    classes: list[Any] = [(_stand_in(name, objects.uses[name]), name) for name in objects.replaced]
    with torch.serialization.safe_globals(classes):
        yield


def refused_objects(path: Path, names: Sequence[str]) -> CheckpointError:
    """Say that a file has names that mean code, or that stand where weights should."""
    return CheckpointError(
        f"{path} holds Python objects such as {names[0]}, which would run code when opened; where you trust "
        f"it, {SAVE_WEIGHTS_ALONE}"
    )


def _stand_in(name: str, uses: frozenset[str]) -> type[StandIn]:
    if uses & {"SETITEM", "SETITEMS"}:
        return _StandInMapping
    if uses & {"APPEND", "APPENDS"}:
        return _StandInList
    return type("StandIn", (StandIn,), {"__slots__": (), "replaced": name})


def _is_from_python(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def pickles_of(path: Path) -> Iterator[IO[bytes]]:
    """Open each pickle of a file, in either format of `torch.save`."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith("/data.pkl"):
                    with archive.open(name) as stream:
                        yield stream
        return
    with path.open("rb") as stream:
        for _ in range(LEGACY_PICKLES):
            yield stream


_MARK = object()
_KEEPERS = ("REDUCE", "NEWOBJ", "BUILD", "SETITEM", "SETITEMS", "APPEND", "APPENDS")
"""Opcodes that leave on the stack what they call, or change: the lowest of what they take."""


def _follow(stream: IO[bytes], found: dict[str, set[str]]) -> Iterator[int]:
    """Go through one pickle with a stack of names in place of objects; yields its protocol, if it says one.

    Args:
        found: where the names go, and the opcodes that change what each of them makes.
    """
    # names of classes and functions, and of what made an object; pairs of these; None for the rest
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(stream):
        name = opcode.name
        if name == "PROTO":
            yield argument or 0
        elif name == "GLOBAL":
            foreign = _full_name(*(argument or "").split(" ", 1))
            found.setdefault(foreign, set())
            stack.append(foreign)
        elif name == "STACK_GLOBAL":  # of later protocols, which PyTorch's reader does not take
            del stack[-2:]
            stack.append(None)
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "TUPLE2":
            stack[-2:] = [tuple(stack[-2:])]
        elif name == "REDUCE" and _is_member(stack[-2:], found):
            _, (owner, _) = stack[-2:]
            found[owner].add(name)
            stack[-2:] = [owner]
        else:
            lowest = _pop(stack, opcode.stack_before)
            if name in _KEEPERS:
                if lowest in found:
                    found[lowest].add(name)
                stack.append(lowest)
            else:
                stack += [_MARK if item is pickletools.markobject else None for item in opcode.stack_after]


def _is_member(called: list[Any], found: Mapping[str, object]) -> bool:
    """Tell whether a function and its arguments get an attribute of a class that is not Python's own."""
    match called:
        case [str(function), (str(owner), None)]:
            return function == GETATTR and owner in found and not _is_from_python(owner)
    return False


def _pop(stack: list[Any], taken: list[pickletools.StackObject]) -> Any:
    """Take off the stack what an opcode takes; returns the lowest of it."""
    count = len(taken)
    if pickletools.markobject in taken:
        while stack.pop() is not _MARK:
            pass
        count = taken.index(pickletools.markobject)
    lowest = None
    for _ in range(count):
        lowest = stack.pop()
    return lowest


def _full_name(module: str, name: str) -> str:
    """Write a name as PyTorch's reader does, which takes names of Python 2 for those of Python 3."""
    module, name = _compat_pickle.NAME_MAPPING.get(
        (module, name), (_compat_pickle.IMPORT_MAPPING.get(module, module), name)
    )
    return f"{module}.{name}"
