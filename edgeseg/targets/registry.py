"""Find the targets: each module of `tables/` is one, and so is every backend, in whatever version."""

from __future__ import annotations

import pkgutil
from functools import cache
from importlib import import_module

from edgeseg.engines.registry import backends
from edgeseg.targets import tables
from edgeseg.targets.target import Target, target_of_backend


@cache
def versioned_targets() -> dict[str, Target]:
    """Read all tables, by the names of their targets."""
    modules = (
        import_module(f"{tables.__name__}.{found.name}") for found in pkgutil.iter_modules(tables.__path__)
    )
    read: list[Target] = [module.TARGET for module in modules]
    return {target.name: target for target in sorted(read, key=lambda target: target.name)}


def targets() -> tuple[str, ...]:
    """Name all targets: devices and libraries in a version first, then backends."""
    return (*versioned_targets(), *backends())


def target_of(name: str) -> Target:
    """Give the target of a name."""
    return versioned_targets().get(name) or target_of_backend(name)
