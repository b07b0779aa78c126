"""List the engines that are worth making of a few portable models: backends, precisions, passes, sizes."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import get_args

from edgeseg.engines.cuda import has_gpu
from edgeseg.engines.facts import CPU
from edgeseg.engines.registry import backends, facts_of
from edgeseg.errors import UsageError
from edgeseg.graph.portable import PortableModel
from edgeseg.spec import Precision

GPU = "cuda"
ORDER: tuple[Precision, ...] = ("fp32", "int8", "fp16")
"""In which engines are made: fp32 is always accurate enough, and fp16 seldom faster on a processor."""


@dataclass(frozen=True)
class Space:
    """What engines may be.

    Attributes:
        backends: empty for all whose libraries are installed.
        precisions: empty for all.
        devices: empty for this processor, and an NVIDIA GPU where there is one.
        threads: per inference; None for each number that a build measures.
        passes: whether a graph may be changed where that measures faster; the graph as exported is tried
            beside it.
    """

    backends: tuple[str, ...] = ()
    precisions: tuple[Precision, ...] = ()
    devices: tuple[str, ...] = ()
    threads: int | None = None
    passes: bool = True


@dataclass(frozen=True)
class Plan:
    """One engine that is to be made.

    Attributes:
        model: its place among the models.
        passes: whether its graph may be changed where that measures faster.
    """

    model: int
    backend: str
    device: str
    precision: Precision
    passes: bool = False


def plans_of(models: int, space: Space) -> list[Plan]:
    """List the engines to make, those first that are most likely to be kept.

    Args:
        models: how many there are.

    Raises:
        UsageError: if no backend is there that can make what is asked for.
    """
    if not space.devices:
        space = dataclasses.replace(space, devices=(CPU, GPU) if has_gpu() else (CPU,))
    wanted = [name for name in backends() if name in space.backends or not space.backends]
    here = [name for name in wanted if all(map(find_spec, facts_of(name).modules[:1]))]
    plans = [
        plan
        for precision in ORDER
        if precision in space.precisions or not space.precisions
        for model in range(models)
        for backend in here
        for plan in _of_backend(model, backend, precision, space)
    ]
    if not plans:
        raise UsageError(_nothing(wanted, here, space))
    return plans


def _of_backend(model: int, backend: str, precision: Precision, space: Space) -> Iterator[Plan]:
    facts = facts_of(backend)
    if precision not in facts.precisions:
        return
    for device in facts.devices:
        if device not in space.devices or (precision == "int8" and device not in facts.int8):
            continue
        if space.passes and facts.passes and precision == "fp32" and device == CPU:
            yield Plan(model, backend, device, precision, passes=True)
        yield Plan(model, backend, device, precision)


def chosen_sizes(models: Sequence[PortableModel], sizes: Sequence[tuple[int, int]]) -> list[int]:
    """Give the places of the models of some sizes, (height, width) each; of all where none is named.

    Raises:
        UsageError: if none has one of the sizes: a portable model has one, given by its export.
    """
    size_of = [(model.spec.input.height, model.spec.input.width) for model in models]
    for height, width in sizes:
        if (height, width) not in size_of:
            there = ", ".join(
                f"{model.name} takes {h}x{w}" for model, (h, w) in zip(models, size_of, strict=True)
            )
            raise UsageError(
                f"no model takes {height}x{width} ({there}); a portable model has the one size of its "
                f"export: make another with edgeseg export --size {height}x{width}, and give both"
            )
    return [place for place, size_hw in enumerate(size_of) if size_hw in sizes or not sizes]


def _nothing(wanted: Sequence[str], here: Sequence[str], space: Space) -> str:
    if not here:
        extras = " or ".join(f"pip install 'edgeseg[{facts_of(name).extra}]'" for name in wanted)
        return f"none of the backends is installed ({', '.join(wanted)}); run {extras}"
    precisions = ", ".join(space.precisions or get_args(Precision))
    return f"{' and '.join(here)} cannot compute in {precisions} on {', '.join(space.devices)}; allow others"
