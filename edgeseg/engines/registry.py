"""Find the backends: each folder beside this file that says of itself what it is, in `facts`, is one.

A backend's folder holds four modules, of which only the one that is used is imported:
    facts    `FACTS`, a `Facts`
    options  `BuildOptions`, what a build may be asked; `EngineOptions`, what its engine's manifest says
    build    `write_files`, or `fill_engine`, or both; see `edgeseg.engines.job`
    open     `open`; see `edgeseg.engines.backend.open_backend`
and may hold
    doctor   what `edgeseg doctor` shows of its library
    layers   times of nodes by its library's own profiler; see `edgeseg.engines.node_times`
"""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType
from typing import Literal

from edgeseg.engines.facts import CPU, Facts

DEFAULT = "onnxruntime"
"""What is built where no backend is named: the library that proofs run in, so that it is always there."""

AUTO = "auto"
"""What stands for the fastest of those backends that run on this processor."""

_PACKAGE = import_module("edgeseg.engines")  # at run time: its public names lie above this module

Part = Literal["facts", "options", "build", "open", "doctor", "layers"]


def backends() -> tuple[str, ...]:
    """Name all backends, in the order of the alphabet."""
    folders = (module.name for module in pkgutil.iter_modules(_PACKAGE.__path__) if module.ispkg)
    return tuple(sorted(name for name in folders if has_part(name, "facts")))


def cpu_backends() -> tuple[str, ...]:
    """Name the backends that run on this processor, those that `auto` compares; the default comes first."""
    names = (name for name in backends() if CPU in facts_of(name).devices)
    return tuple(sorted(names, key=lambda name: name != DEFAULT))


def devices() -> tuple[str, ...]:
    """Name the devices that there are in any backend."""
    return tuple(dict.fromkeys(device for name in backends() for device in facts_of(name).devices))


def facts_of(backend: str) -> Facts:
    """Give what a backend says of itself."""
    facts: Facts = part_of(backend, "facts").FACTS
    return facts


def part_of(backend: str, part: Part) -> ModuleType:
    """Import one module of a backend's folder."""
    return import_module(f"edgeseg.engines.{backend}.{part}")


def has_part(backend: str, part: Part) -> bool:
    """Whether a backend's folder holds a module, which is not imported."""
    return find_spec(f"edgeseg.engines.{backend}.{part}") is not None


def extra_of(module: str) -> str | None:
    """Name the extra of edgeseg that installs a backend's library; None if no backend needs the module."""
    return next((facts_of(name).extra for name in backends() if module in facts_of(name).modules), None)


@cache
def versions_of(backend: str) -> tuple[str, ...]:
    """Name the wheels, with their versions, that hold a backend's library; empty if none is installed."""
    import importlib.metadata  # a device that runs engines goes without: it takes longer than all else here

    owners = importlib.metadata.packages_distributions()
    wheels = {wheel for module in facts_of(backend).modules[:1] for wheel in owners.get(module, [])}
    return tuple(f"{wheel} {importlib.metadata.version(wheel)}" for wheel in sorted(wheels))
