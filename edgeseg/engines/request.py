"""Check what a user asks of a build: some backend can meet it, or the error says which one could."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar, get_args

from edgeseg.engines.facts import CPU, Facts
from edgeseg.engines.flags import Flag, fields_of, flag_of
from edgeseg.engines.registry import AUTO, DEFAULT, backends, cpu_backends, facts_of, part_of
from edgeseg.errors import EngineError, SpecError, UsageError, shown
from edgeseg.records import Range, Ranged, from_json_value
from edgeseg.spec import MAX_THREADS, Int8Scheme, Precision

Options = TypeVar("Options")


@dataclass(frozen=True)
class Request(Ranged):
    """What the user asks of a build.

    Attributes:
        backend: one of `backends()`; `auto` measures those for this processor that are installed, and takes
            the fastest.
        device: where the engine shall run, a word of the backend's; None stands for its first.
        threads: CPU threads per inference; None measures.
        options: what only some backends are asked: values by fields of their `BuildOptions`. Of `auto` each
            backend gets those that it has.

    Raises:
        UsageError: if the backend does not exist, or lacks the precision, the device or an option, with the
            name of one that has it.
    """

    backend: str = DEFAULT
    precision: Precision = "fp32"
    device: str | None = None
    threads: Annotated[int, Range(1, MAX_THREADS)] | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check all that can be checked without a library."""
        super().__post_init__()
        known = (*backends(), AUTO)
        if self.backend not in known:
            raise UsageError(f"there is no backend {shown(self.backend)}; there are {', '.join(known)}")
        self._check_device()
        if not self.backends:
            self._refuse_precision()
        for name in self.options:
            if name not in self.options_known:
                raise UsageError(_without(name, self))
        for backend in self.backends:
            self.options_as(part_of(backend, "options").BuildOptions)

    @property
    def backends(self) -> tuple[str, ...]:
        """The backends that the engine may end in: those of `auto`, or the one that is named."""
        candidates = cpu_backends() if self.backend == AUTO else (self.backend,)
        return tuple(name for name in candidates if self.precision in facts_of(name).precisions)

    @property
    def int8_scheme(self) -> Int8Scheme:
        """The form of int8 that the device computes; of several, the one that all of `auto` take.

        Raises:
            EngineError: if the device has no int8.
        """
        schemes = [_int8_of(facts_of(name), self.device) for name in self.backends]
        return max(schemes, key=get_args(Int8Scheme).index)

    @property
    def options_known(self) -> dict[str, Flag]:
        """What may be asked besides, by name."""
        return {name: flag for backend in self.backends for name, flag in options_of(backend).items()}

    def of(self, backend: str) -> Request:
        """Ask the same of one backend, leaving out options that it lacks."""
        own = {name: value for name, value in self.options.items() if name in options_of(backend)}
        return dataclasses.replace(self, backend=backend, options=own)

    def options_as(self, kind: type[Options]) -> Options:
        """Give the options that a `BuildOptions` has as such.

        Raises:
            UsageError: naming the option that is of another type or out of its range.
        """
        known = fields_of(kind)
        try:
            return from_json_value(kind, {name: v for name, v in self.options.items() if name in known})
        except SpecError as error:
            raise UsageError(str(error)) from error

    def _check_device(self) -> None:
        if self.device is None:
            return
        if self.backend == AUTO:
            if self.device != CPU:
                raise UsageError(f"auto compares backends on the {CPU}; for {self.device}, name a --backend")
            return
        facts = facts_of(self.backend)
        if self.device not in facts.devices:
            raise UsageError(
                f"{facts.title} has no device {shown(self.device)}; it has {', '.join(facts.devices)}"
            )

    def _refuse_precision(self) -> None:
        able = [name for name in backends() if self.precision in facts_of(name).precisions]
        raise UsageError(
            f"{self.backend} does not compute in {shown(self.precision)}; that is for {' and '.join(able)}"
        )


def options_of(backend: str) -> dict[str, Flag]:
    """List what a backend's builds may be asked, by name."""
    return fields_of(part_of(backend, "options").BuildOptions)


def owners_of(option: str) -> list[str]:
    """Name the backends that have an option."""
    return [name for name in backends() if option in options_of(name)]


def _without(option: str, request: Request) -> str:
    """Say that what is asked for has no such option, and what has."""
    owners = owners_of(option)
    if not owners:
        return f"no backend has an option {shown(option)}"
    flag = flag_of(option, options_of(owners[0])[option])
    if request.backend == AUTO:
        return f"auto compares {' and '.join(request.backends)}; {flag} is for {' and '.join(owners)}"
    facts = facts_of(request.backend)
    reason = facts.lacks.get(option, f"{facts.title} has no {flag}")
    return f"{reason}; {flag} is for {' and '.join(owners)}"


def _int8_of(facts: Facts, device: str | None) -> Int8Scheme:
    device = device or facts.devices[0]
    if device not in facts.int8:
        reason = f"{facts.title} has no int8 on {device}; use --precision fp16"
        raise EngineError(facts.no_int8.get(device, reason))
    return facts.int8[device]
