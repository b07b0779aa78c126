"""Open an engine built for OpenVINO: a compiled model with the manifest's options."""

from __future__ import annotations

import mmap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import Tensor, read_options, refuse_if_moved
from edgeseg.engines.facts import CPU
from edgeseg.engines.openvino.facts import FACTS
from edgeseg.engines.openvino.options import EngineOptions
from edgeseg.engines.pool import FORKED, Pool
from edgeseg.errors import EngineError, UsageError
from edgeseg.extras import require
from edgeseg.forks import never_free, tell_of_forks
from edgeseg.machine import processor
from edgeseg.manifest import Manifest, map_file


@dataclass(frozen=True)
class Imported:
    """A compiled model that was imported.

    Attributes:
        compiled: OpenVINO's object.
        mapped: the engine's file, in which its weights stay: to be held for as long as `compiled` computes.
        built_on: what it is tied to here.
    """

    compiled: Any
    mapped: mmap.mmap
    built_on: Mapping[str, str]


class OpenVINOBackend:
    """A compiled model and a request a stream; see `Backend` for what each member promises.

    `infer` may be called from several threads; it waits for a free request.
    """

    def __init__(self, imported: Imported, streams: int, names: set[str]) -> None:
        compiled = imported.compiled
        self.built_on = imported.built_on
        self.inputs = {_name(port, names): _tensor(port) for port in compiled.inputs}
        self.outputs = {_name(port, names): _tensor(port) for port in compiled.outputs}
        (self._input,) = self.inputs
        self._imported: Imported | None = imported
        self._requests: Pool[Any] = Pool()
        for _ in range(streams):
            self._requests.add(compiled.create_infer_request())
        self._forked = False
        tell_of_forks(self)

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name, copied out of the request."""
        if self._forked:
            raise EngineError(FORKED)
        with self._requests.take() as request:
            try:
                values = request.infer({self._input: image})
                return {name: values[index] for index, name in enumerate(self.outputs)}
            except (RuntimeError, TypeError, ValueError) as error:  # what its binding raises
                raise EngineError(f"OpenVINO failed: {last_line(error)}") from error

    def close(self) -> None:
        """Drop the model and its requests; closing twice is allowed."""
        if self._forked:
            return
        self._requests.close()
        self._imported = None

    def forked(self) -> None:
        """Leave the model alone: its threads are not here."""
        self._forked = True
        never_free(self)


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> OpenVINOBackend:
    """Open a compiled model; arguments and errors are those of `open_backend`."""
    options = read_options(EngineOptions, folder, manifest)
    names = {"image", *(output.name for output in manifest.spec.outputs)}
    return OpenVINOBackend(imported(folder, manifest, device=device, threads=threads), options.streams, names)


def imported(
    folder: Path, manifest: Manifest, *, device: str | None, threads: int | None, profiled: bool = False
) -> Imported:
    """Import a compiled model.

    Args:
        profiled: let its requests tell times of nodes.
    """
    openvino = require("openvino", FACTS.extra)
    options = read_options(EngineOptions, folder, manifest)
    device = _checked_device(manifest, device or manifest.device)
    core = openvino.Core()
    try:
        built_on = {"openvino": openvino.__version__, **_device(core, device)}
        refuse_if_moved(folder, manifest, built_on)
        mapped = map_file(folder, manifest, options.model_file)
        blob = openvino.Tensor(np.frombuffer(mapped, np.uint8), shared_memory=True)
        properties = {**_properties(options, device, threads), "PERF_COUNT": profiled}
        compiled = core.import_model(blob, device.upper(), properties)
    except (RuntimeError, OSError) as error:  # RuntimeError: all that OpenVINO raises
        raise EngineError(f"OpenVINO cannot open {folder}: {last_line(error)}") from error
    return Imported(compiled, mapped, built_on)


def last_line(error: Exception) -> str:
    """Give what OpenVINO says went wrong; the lines above name places in its sources."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__


def _checked_device(manifest: Manifest, device: str) -> str:
    if device not in FACTS.devices:
        raise UsageError(f"OpenVINO has no device {device!r}; it has {', '.join(FACTS.devices)}")
    if device != manifest.device:
        raise EngineError(
            f"this engine was compiled for {manifest.device}; for {device}, build another: "
            f"edgeseg build --backend openvino --device {device}"
        )
    return device


def _device(core: Any, device: str) -> dict[str, str]:
    """Name what a compiled model is tied to besides the library."""
    if device == CPU:
        return processor()
    return {device: str(core.get_property(device.upper(), "FULL_DEVICE_NAME"))}


def _properties(options: EngineOptions, device: str, threads: int | None) -> dict[str, Any]:
    """Say the manifest's options in OpenVINO's words."""
    properties = {
        "PERFORMANCE_HINT": "LATENCY" if options.streams == 1 else "THROUGHPUT",
        "INFERENCE_PRECISION_HINT": options.inference_precision,
        "NUM_STREAMS": options.streams,
    }
    if device == CPU:
        properties["INFERENCE_NUM_THREADS"] = threads or min(options.threads, usable_cores())
        properties["ENABLE_CPU_PINNING"] = options.pinned
    return properties


def _name(port: Any, names: set[str]) -> str:
    """Name an input or output as the spec does; a tensor may have several names."""
    return str(min(names & port.names, default=port.any_name))


def _tensor(port: Any) -> Tensor:
    shape = tuple(size.get_length() if size.is_static else None for size in port.partial_shape)
    return Tensor(port.element_type.to_dtype().name, shape)
