"""Turn `package.module:function` or `path/to/file.py:function` into what that function returns."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from edgeseg.errors import ExportError, UsageError


def call_user_function(place: str, parameters: Mapping[str, Any]) -> Any:
    """Import the function and call it; it can import what lies beside it, or in the working folder.

    Args:
        place: where the function is; a part that ends in `.py` is a file.
        parameters: its keyword arguments.

    Raises:
        UsageError: if it is not there, its module cannot be imported, or it does not take these parameters.
        ExportError: if it fails, or ends the program; the error it failed with is the cause.
    """
    source, _, function_name = place.rpartition(":")
    is_file = source.endswith(".py")
    with importable(Path(source).resolve().parent if is_file else Path.cwd()):
        try:
            module = _import_file(Path(source)) if is_file else importlib.import_module(source)
        except UsageError:
            raise
        except (Exception, SystemExit) as error:
            raise UsageError(f"cannot import {source}: {_in_one_line(error)}") from error
        function = getattr(module, function_name, None)
        if not callable(function):
            raise UsageError(f"{source} has no function {function_name!r}")
        _check_parameters(function, place, parameters)
        try:
            return function(**parameters)
        except (Exception, SystemExit) as error:
            raise ExportError(f"{place} failed: {_in_one_line(error)}") from error


def _check_parameters(function: Callable[..., Any], place: str, parameters: Mapping[str, Any]) -> None:
    try:
        signature = inspect.signature(function)
    except ValueError:  # some that are written in C have none
        return
    try:
        signature.bind(**parameters)
    except TypeError as error:
        raise UsageError(f"{place} takes other parameters: {error}; they are {signature}") from error


@contextmanager
def importable(folder: Path) -> Iterator[None]:
    """Let Python import what lies in a folder."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


def _import_file(path: Path) -> ModuleType:
    if not path.is_file():
        raise UsageError(f"there is no file {path}")
    name = f"edgeseg_user_{path.stem}"  # its own name, so that `torch.py` would not shadow torch
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses look themselves up there
    spec.loader.exec_module(module)
    return module


def _in_one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: " + next(iter(str(error).splitlines()), "no message")
