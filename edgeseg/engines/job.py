"""What a backend's `build` module is given to make an engine from, and what it gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgeseg.engines.backend import Backend
from edgeseg.engines.request import Request
from edgeseg.engines.timings import Timings
from edgeseg.engines.tuning import Measured
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.view import Layer
from edgeseg.manifest import AppliedPass, Manifest
from edgeseg.spec import ModelSpec

OpenEngine = Callable[[Path, Manifest], Backend]
"""Opens the engine in a folder, as `open_backend` does: what is measured and proven at build time is the very
code that runs on the device."""


@dataclass(frozen=True)
class BuildJob:
    """What a backend's `fill_engine` is given to make an engine from.

    Attributes:
        staging: the folder to write the engine's files into.
        model: the model in the precision asked for.
        model_sha256: of the portable model that the user named.
        image: (N, H, W, C), a realistic input: post-processing inside a graph depends on the data.
        open_engine: opens the engine under construction, for measuring.
        timings: what was measured here before.
        seeds: of the pictures that the portable model was proven on; empty for graphs that are only tried.
        passes: that make the graph faster, by their titles; None leaves it to measuring.
        on_step: told what is measured.
    """

    staging: Path
    model: PortableModel
    model_sha256: str
    spec: ModelSpec
    request: Request
    image: NDArray[Any]
    open_engine: OpenEngine
    timings: Timings = field(default_factory=Timings)
    seeds: tuple[int, ...] = ()
    passes: Mapping[str, AppliedPass] | None = None
    on_step: Callable[[str], None] = lambda step: None


FillEngine = Callable[[BuildJob], tuple[Manifest, list[Measured]]]
"""Of each backend's module: writes the engine's files and returns its manifest, and the options that were
measured, fastest first. Raises EngineError if the library refuses the graph or cannot open it, and
MissingExtraError if the library is not installed."""

WriteFiles = Callable[[BuildJob], Manifest]
"""`write_files` of a backend's module, where it takes no time: the engine's files and its manifest, with the
options as they come. Raises as `FillEngine` does."""

LayerPrecisions = Callable[[Path, Manifest, Sequence[Layer]], Mapping[str, str]]
"""`layer_precisions` of a backend's module, where it can tell: reads from a finished engine the precision, in
the words of `Precision`, of each layer that it finds there."""
