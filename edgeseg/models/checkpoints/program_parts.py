"""Look through a `.pt2` archive before `torch.export.load` does, which unpickles, evaluates and imports.

Such an archive is JSON and raw tensors, and anything in pickles where its writer wanted so. The loader takes
pickles without limits, evaluates the text of shapes as Python, imports modules that a tree of arguments
names, and resolves operators anywhere in `torch`. Here each of these is held to what networks need.
"""

from __future__ import annotations

import ast
import io
import json
import math
import re
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from edgeseg.errors import CheckpointError, shown
from edgeseg.limits import refuse_above
from edgeseg.reading import parse_json, reading, refuse_zip_bomb

OPERATOR = re.compile(
    r"torch\.ops\.(aten|prims|torchvision|quantized_decomposed)\.\w+(\.\w+)?|_operator\.\w+|torch\.sym_\w+"
    r"|torch\.ops\.higher_order\.(cond|while_loop|wrap_with_set_grad_enabled|wrap_with_autocast)|math\.\w+"
)
REACHING_OUT = re.compile(r"torch\.ops\.aten\.from_file.*|_operator\.(methodcaller|attrgetter|call)")
SHAPE = re.compile(
    r"(?:(?:Symbol|Integer|Rational|Float|Add|Mul|Pow|FloorDiv|Mod|PythonMod|CleanDiv|CeilDiv|CeilToInt"
    r"|FloorToInt|TruncToInt|RoundToInt|IntTrueDiv|ToFloat|Min|Max|Eq|Ne|Lt|Le|Gt|Ge|StrictLessThan|LessThan"
    r"|GreaterThan|StrictGreaterThan|And|Or|Not|Where|ModularIndexing|floor|ceiling|true|false|True|False"
    r"|positive|nonnegative|integer|precision|[su]\d+|zuf?\d+)(?!\w)|'[A-Za-z]\w*'|\d+(?:\.\d+)?"
    r"|[(),=<>+*/ -])*"
)
QUOTING = re.compile(r"[\"\\\n\r`]")  # names become parts of Python code
TREES = ("in_spec", "out_spec")  # texts of JSON within the JSON
CONTAINERS = (None, "builtins.tuple", "builtins.list", "builtins.dict", "collections.OrderedDict")
OBJECTS = ("custom_obj", "opaque_obj")  # how files of objects that are no tensors are called
MODEL = re.compile(r"[^/]+/models/[^/]+\.json")
PAYLOADS = re.compile(r"[^/]+/data/(weights|constants)/[^/]+_config\.json")
SAMPLES = re.compile(r"[^/]+/data/sample_inputs/[^/]+\.pt")
RAW = re.compile(
    r"[^/]+/(data/(weights/weight_\d+|constants/tensor_\d+)|archive_format|archive_version|byteorder"
    r"|\.data/\w+|extra/.*|\.format_version|\.storage_alignment)"
)
ARITHMETIC = (
    ast.Expression,
    ast.Compare,
    ast.BoolOp,
    ast.BinOp,
    ast.UnaryOp,
    ast.Subscript,
    ast.Constant,
    ast.cmpop,
    ast.boolop,
    ast.operator,
    ast.unaryop,
    ast.expr_context,
)
DEPTH = 100  # of the JSON; real ones have about ten levels
EXPORT_AGAIN = "make it again with torch.export.save, or export the module by file.py:function"
FLOAT_BYTES = 4  # of a tensor that is declared


def check_program(path: Path) -> None:
    """Refuse an archive that would have anything run, imported or unpickled; nothing of it runs for that.

    Raises:
        CheckpointError: naming what it holds.
    """
    with (
        reading(path, CheckpointError, what="a .pt2 archive", fix=EXPORT_AGAIN),
        zipfile.ZipFile(path) as archive,
    ):
        size = path.stat().st_size
        refuse_zip_bomb(archive, size, str(path), CheckpointError)
        names = archive.namelist()
        if not any(map(MODEL.fullmatch, names)):
            raise CheckpointError(f"{path} is no .pt2 archive of PyTorch 2.9 or later; {EXPORT_AGAIN}")
        for name in names:
            if MODEL.fullmatch(name):
                _check_model(parse_json(archive.read(name), CheckpointError, f"{path}: {name}"), path)
            elif PAYLOADS.fullmatch(name):
                _check_payload(parse_json(archive.read(name), CheckpointError, f"{path}: {name}"), path, size)
            elif SAMPLES.fullmatch(name):
                _check_samples(archive.read(name), path)
            elif not RAW.fullmatch(name):
                raise CheckpointError(
                    f"{path} holds {shown(name)}, which is neither a graph nor a tensor; {EXPORT_AGAIN}"
                )


def _check_model(model: Any, path: Path) -> None:
    for key, value in _entries(model, passing_over="metadata"):
        if key in ("target", "as_operator") and isinstance(value, str) and _is_name_of_operator(key, value):
            if not OPERATOR.fullmatch(value) or REACHING_OUT.fullmatch(value):
                raise CheckpointError(f"{path} calls {shown(value)}, which no network needs; {EXPORT_AGAIN}")
        elif key == "expr_str" and not (isinstance(value, str) and SHAPE.fullmatch(value)):
            raise CheckpointError(f"{path} has a size that is no number: {shown(value)}; {EXPORT_AGAIN}")
        elif key in TREES and isinstance(value, str):
            _check_tree(value, path)
        elif key == "guards_code" and not all(map(_is_comparison, value)):
            raise CheckpointError(f"{path} brings checks as Python code, {shown(value)}; {EXPORT_AGAIN}")
        elif isinstance(value, str) and key not in TREES and QUOTING.search(value):
            raise CheckpointError(f"{path} names something {shown(value)}; {EXPORT_AGAIN}")
        elif key in ("as_custom_obj", "as_opaque_obj") and value is not None:
            raise CheckpointError(f"{path} takes an object that is no tensor; {EXPORT_AGAIN}")


def _is_comparison(guard: Any) -> bool:
    """Tell whether a check that comes as Python code only compares sizes of the inputs; none is ever run."""
    try:
        tree = ast.parse(guard, mode="eval")
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        return False
    return isinstance(tree.body, ast.Compare | ast.BoolOp) and all(map(_is_of_sizes, ast.walk(tree)))


def _is_of_sizes(node: ast.AST) -> bool:
    """Tell whether a part of a check is arithmetic, or a size of an input such as `L['x'].size()[2]`."""
    if isinstance(node, ast.Name):
        return node.id in ("L", "Mod")
    if isinstance(node, ast.Attribute):
        return node.attr == "size"
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) or getattr(node.func, "id", "") == "Mod"
    return isinstance(node, ARITHMETIC)


def _is_name_of_operator(key: str, value: str) -> bool:
    """Tell whether a `target` is of a node; those of signatures are names of weights, which nothing calls."""
    return key == "as_operator" or value.startswith(("torch", "_operator", "math", "#"))


def _check_tree(text: str, path: Path) -> None:
    """Refuse a tree of arguments that has to import what it is made of."""
    for key, value in _entries(json.loads(text)):
        if key == "type" and value not in CONTAINERS:
            raise CheckpointError(f"{path} takes arguments of the class {shown(value)}; {EXPORT_AGAIN}")
        if key == "context" and isinstance(value, str) and any(_entries(json.loads(value))):
            raise CheckpointError(
                f"{path} names Python code in its arguments, {shown(value)}; {EXPORT_AGAIN}"
            )


def _check_payload(payload: Any, path: Path, size: int) -> None:
    """Refuse tensors in pickles, objects, and tensors that are larger than the file by far."""
    declared = 0
    for name, entry in payload["config"].items():
        if entry["use_pickle"] or any(str(entry["path_name"]).startswith(kind) for kind in OBJECTS):
            raise CheckpointError(
                f"{path} holds {shown(name)} as a pickle, which may run any code when it is opened; "
                f"{EXPORT_AGAIN}"
            )
        declared += FLOAT_BYTES * math.prod(int(side["as_int"]) for side in entry["tensor_meta"]["sizes"])
    refuse_above("bytes", declared - size, f"{path} with all its weights", CheckpointError)


def _check_samples(data: bytes, path: Path) -> None:
    """Refuse examples of the inputs that PyTorch's reader of tensors alone does not take."""
    if not data:
        return
    with zipfile.ZipFile(io.BytesIO(data)) as inner:
        refuse_zip_bomb(inner, len(data), f"{path}: its example inputs", CheckpointError)
    try:
        torch.load(io.BytesIO(data), map_location="cpu", weights_only=True)
    except Exception as error:  # damage and code alike
        raise CheckpointError(
            f"{path} holds example inputs that are no plain tensors, and may run code; {EXPORT_AGAIN}"
        ) from error


def _entries(value: Any, depth: int = DEPTH, *, passing_over: str = "") -> Iterator[tuple[str, Any]]:
    """Walk all entries of JSON's objects, but for what lies under one key."""
    if depth == 0:
        raise ValueError("nested too deep")
    if isinstance(value, Mapping):
        for key, entry in value.items():
            if key != passing_over:
                yield key, entry
                yield from _entries(entry, depth - 1, passing_over=passing_over)
    elif isinstance(value, list):
        for entry in value:
            yield from _entries(entry, depth - 1, passing_over=passing_over)
