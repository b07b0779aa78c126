"""Look through a TorchScript archive before it is loaded: its code may compute, and touch nothing else.

The code in an archive runs in TorchScript's own interpreter, some of it already while the archive is loaded.
That interpreter has no files, no network and no Python, but for a few operators, which are refused here by
name, and for classes of other libraries.
"""

from __future__ import annotations

import ast
import zipfile
from collections.abc import Iterator
from pathlib import Path

from edgeseg.errors import CheckpointError, shown
from edgeseg.limits import refuse_above
from edgeseg.reading import reading, refuse_zip_bomb

CODE_SUFFIX = ".py"
NAMESPACES = ("aten", "prim", "torchvision", "quantized")  # after `ops.`
REACHING_OUT = (
    "from_file",  # maps, and makes, a file
    "save",  # writes one
    "PythonOp",
    "IgnoredPythonOp",
    "rpc_async",
    "rpc_remote",
    "rpc_sync",
    "fork",
    "awaitable",
)
"""Operators of PyTorch's registry that do more than compute, by a search of the arguments of all of them."""
OTHER_CLASSES = "__torch__.torch.classes"  # of C++ libraries, made while the archive is loaded
PACKED = (
    "__torch__.torch.classes.quantized.Conv2dPackedParamsBase",
    "__torch__.torch.classes.quantized.LinearPackedParamsBase",
)


def is_torchscript(path: Path) -> bool:
    """Tell whether a file is a TorchScript archive."""
    with reading(path, CheckpointError, what="a file of PyTorch", fix="save it again"):
        if not zipfile.is_zipfile(path):
            return False
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())


def check_torchscript(path: Path) -> None:
    """Refuse an archive whose code does more than compute; nothing of it runs for that.

    Raises:
        CheckpointError: naming what it would do.
    """
    with (
        reading(path, CheckpointError, what="a TorchScript archive", fix="save it again"),
        zipfile.ZipFile(path) as archive,
    ):
        refuse_zip_bomb(archive, path.stat().st_size, str(path), CheckpointError)
        for name in archive.namelist():
            if "/code/" in name and name.endswith(CODE_SUFFIX):
                refuse_above("text", archive.getinfo(name).file_size, f"{path}: {name}", CheckpointError)
                for used in names_used(archive.read(name).decode()):
                    if reason := _refused(used):
                        raise CheckpointError(f"{path} {reason}, and is no network alone: it is not loaded")


def names_used(code: str) -> Iterator[str]:
    """Give the dotted names in TorchScript's code, which Python's parser reads without running any of it.

    Raises:
        SyntaxError: if it is no such code.
    """
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Attribute) and (name := _dotted(node)):
            yield name


def _dotted(node: ast.expr) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(parts)]) if isinstance(node, ast.Name) else ""


def _refused(name: str) -> str:
    """Say what is wrong with a name; empty for those that compute."""
    first, _, rest = name.partition(".")
    if name.startswith(OTHER_CLASSES) and not _is_packed(name):
        return f"makes an object of {shown(name)}"
    if first == "ops":
        namespace, _, operator = rest.partition(".")
        if namespace not in NAMESPACES:
            return f"calls {shown(name)}, an operator of another library"
        return f"calls {shown(name)}" if operator in REACHING_OUT else ""
    return f"calls {shown(name)}" if first == "torch" and rest in REACHING_OUT else ""


def _is_packed(name: str) -> bool:
    """Tell whether a name is of quantised weights, or begins the name of such."""
    return any(whole == name or whole.startswith(f"{name}.") for whole in PACKED)
