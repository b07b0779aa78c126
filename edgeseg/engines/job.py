"""Turn a portable model into an engine on the device itself: one module a backend, no torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import Manifest
from edgeseg.export.engines.tuning import Measured
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.view import Layer
from edgeseg.records import Range, Ranged
from edgeseg.spec import MAX_THREADS, Int8Scheme, ModelSpec, Precision


class Runner(Protocol):
    """An opened engine: what the runtime's backends are, seen from the builder."""

    @property
    def built_on(self) -> Mapping[str, str]:
        """What the engine is tied to; see `Manifest`."""
        ...

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of uint8 (N, H, W, 3) images and return the outputs by name."""
        ...

    def close(self) -> None:
        """Free what the engine holds."""
        ...


OpenEngine = Callable[[Path, Manifest], Runner]
"""Opens the engine in a folder. The command line passes the runtime's own, so that what is measured
and proven at build time is the very code that runs on the device."""


MOST_WORKSPACE_MIB = 1 << 20  # a TiB


@dataclass(frozen=True)
class TensorRTOptions(Ranged):
    """What only TensorRT and TensorRT for RTX are asked; None and False leave it to the library.

    Attributes:
        workspace_mib: memory that kernels may use while they run.
        optimization_level: 0 (builds fast) to 5 (searches longest).
        timing_cache: file of measured kernels, read if it exists, and written; the next build takes less
            time. TensorRT alone.
        version_compatible: opens in other minor versions too. TensorRT alone.
        hardware_compatible: runs on every GPU from Ampere on. TensorRT alone.
        dla_core: run on this deep-learning accelerator of a Jetson, and on the GPU what it does not take.
        compute_capabilities: of the GPUs to build for, such as `8.6`; none stands for all. For RTX alone.
        contexts: how many inferences may run side by side.
    """

    workspace_mib: Annotated[int, Range(1, MOST_WORKSPACE_MIB)] | None = None
    optimization_level: Annotated[int, Range(0, 5)] | None = None
    timing_cache: Path | None = None
    version_compatible: bool = False
    hardware_compatible: bool = False
    dla_core: Annotated[int, Range(0, 15)] | None = None
    compute_capabilities: tuple[str, ...] = ()
    contexts: Annotated[int, Range(1, 64)] = 1


@dataclass(frozen=True)
class OpenVINOOptions:
    """What only OpenVINO is asked.

    Attributes:
        hint: `latency` makes one inference fast; `throughput` runs several side by side, for many cameras.
        computes_in: what it may compute float layers in; None stands for float32 in fp32 and int8 engines,
            and in semantic fp16 engines for the processor's own half precision, float16 or bfloat16, if it
            has one.
    """

    hint: Literal["latency", "throughput"] = "latency"
    computes_in: Literal["f32", "f16", "bf16"] | None = None


@dataclass(frozen=True)
class Request(Ranged):
    """What the user asks of a build.

    Attributes:
        backend: `auto` measures those for this processor that are installed, and takes the fastest.
        device: where the engine shall run, a word of the backend's; None stands for its first.
        threads: CPU threads per inference; None measures.
        openvino: what only OpenVINO is asked.
    """

    backend: str = "onnxruntime"
    precision: Precision = "fp32"
    device: str | None = None
    threads: Annotated[int, Range(1, MAX_THREADS)] | None = None
    openvino: OpenVINOOptions = OpenVINOOptions()
    tensorrt: TensorRTOptions = TensorRTOptions()


@dataclass(frozen=True)
class BuildJob:
    """What a backend's `fill_engine` is given to make an engine from.

    Attributes:
        staging: the folder to write the engine's files into.
        model: the model in the precision asked for.
        model_sha256: of the portable model that the user named.
        image: (N, H, W, 3) uint8, a realistic input: post-processing inside a graph depends on the data.
        open_engine: opens the engine under construction, for measuring.
    """

    staging: Path
    model: PortableModel
    model_sha256: str
    spec: ModelSpec
    request: Request
    image: NDArray[np.uint8]
    open_engine: OpenEngine


FillEngine = Callable[[BuildJob], tuple[Manifest, list[Measured]]]
"""Of each backend's module: writes the engine's files and returns its manifest, and the options that were
measured, fastest first. Raises EngineError if the library refuses the graph or cannot open it, and
MissingExtraError if the library is not installed."""

WriteFiles = Callable[[BuildJob], Manifest]
"""`write_files` of a backend's module, where it takes no time: the engine's files and its manifest, with the
options as they come. Raises as `FillEngine` does."""

ChooseScheme = Callable[[Request], Int8Scheme]
"""`int8_scheme` of a backend's module, where it differs from `symmetric`. Raises EngineError if the device
asked for has no int8."""

LayerPrecisions = Callable[[Path, Manifest, Sequence[Layer]], Mapping[str, str]]
"""`layer_precisions` of a backend's module, where it can tell: reads from a finished engine the precision, in
the words of `Precision`, of each layer that it finds there."""
