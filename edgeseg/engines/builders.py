"""Find the module of a backend, and what it says of itself."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from edgeseg.engines.job import ChooseScheme, FillEngine, Request, WriteFiles
from edgeseg.spec import Int8Scheme

CPU_BACKENDS: tuple[str, ...] = ("onnxruntime", "openvino")
"""What `auto` compares."""


def module_of(backend: str) -> ModuleType:
    """Import the module of one backend: its library is needed by nobody else."""
    return import_module(f"edgeseg.engines.{backend}" + ("" if backend == "auto" else ".build"))


def fill_engine_of(backend: str) -> FillEngine:
    """Give what makes a backend's engines."""
    fill: FillEngine = module_of(backend).fill_engine
    return fill


def write_files_of(backend: str) -> WriteFiles | None:
    """Give what makes a backend's engines at once, options as they come; None where that takes time."""
    write: WriteFiles | None = getattr(module_of(backend), "write_files", None)
    return write


def scheme_of(request: Request) -> Int8Scheme:
    """Ask a backend for the form of int8 that it computes."""
    choose: ChooseScheme | None = getattr(module_of(request.backend), "int8_scheme", None)
    return choose(request) if choose else "symmetric"
