"""Open an engine built for ONNX Runtime: a session with the manifest's options."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.cores import usable_cores
from edgeseg.engines.backend import Tensor, read_options, refuse_if_moved
from edgeseg.engines.facts import CPU
from edgeseg.engines.onnxruntime.facts import FACTS
from edgeseg.engines.onnxruntime.options import EngineOptions
from edgeseg.engines.onnxruntime.providers import (
    ON_NVIDIA,
    PROVIDERS,
    built_on,
    fallback_nodes,
    providers_for,
)
from edgeseg.engines.pool import CLOSED, FORKED
from edgeseg.errors import EngineError
from edgeseg.extras import require
from edgeseg.forks import never_free, tell_of_forks
from edgeseg.manifest import Manifest, open_file, read_file
from edgeseg.reading import identity_of

NOWHERE = os.path.join(os.devnull, "external-data")  # no folder can be within a device
LOG_ERRORS_ONLY = 3  # warnings concern the graph's makers; what fails is raised
_DTYPES: Mapping[str, str] = {  # of ONNX Runtime's names those that are not numpy's too
    "float": "float32",
    "double": "float64",
}


class OnnxRuntimeBackend:
    """A session of ONNX Runtime; see `Backend` for what each member promises.

    Attributes:
        fallback_nodes: the nodes that the device did not take; see `providers.fallback_nodes`.
    """

    def __init__(self, session: Any, built_on: Mapping[str, str], fallback_nodes: Any = None) -> None:
        self._session = session
        self.built_on = built_on
        self.fallback_nodes: Mapping[str, Sequence[str]] | None = fallback_nodes
        self.inputs = {node.name: _tensor(node) for node in session.get_inputs()}
        self.outputs = {node.name: _tensor(node) for node in session.get_outputs()}
        (self._input,) = self.inputs
        self._names = list(self.outputs)
        self._forked = False
        tell_of_forks(self)

    def infer(self, image: NDArray[Any], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, C) and return the outputs by name."""
        if self._forked:
            raise EngineError(FORKED)
        try:
            values = self._run(image)
        except EngineError:
            raise
        except Exception as error:  # ONNX Runtime raises classes of its own without a common base
            raise EngineError(f"ONNX Runtime failed: {_first_line(error)}") from error
        return dict(zip(self._names, values, strict=True))

    def end_profiling(self) -> Path:
        """End the profile of a session that was opened for one; returns its file."""
        return Path(self._session.end_profiling())

    def close(self) -> None:
        """Drop the session; its memory goes with the last run, and the last output that is in use."""
        if not self._forked:
            self._session = None

    def forked(self) -> None:
        """Leave the session alone: its threads are not here."""
        self._forked = True
        never_free(self)

    def _run(self, image: NDArray[Any]) -> Sequence[NDArray[Any]]:
        if (session := self._session) is None:  # another thread may close it meanwhile
            raise EngineError(CLOSED)
        values: Sequence[NDArray[Any]] = session.run(self._names, {self._input: image})
        return values


class BoundBackend(OnnxRuntimeBackend):
    """A session on a GPU: input and outputs stay there for the run, and are copied once each way."""

    def __init__(
        self, session: Any, built_on: Mapping[str, str], fallback_nodes: Any, *, ort: Any, memory: str
    ) -> None:
        super().__init__(session, built_on, fallback_nodes)
        tensor = self.inputs[self._input]
        self._memory = memory
        self._lock = threading.Lock()  # one input buffer
        blank = np.zeros([size or 1 for size in tensor.shape], tensor.dtype)
        self._image = ort.OrtValue.ortvalue_from_numpy(blank, memory, 0)
        self._binding = session.io_binding()
        self._binding.bind_ortvalue_input(self._input, self._image)

    def close(self) -> None:
        """Drop the session and what is bound to it, after the run that uses it."""
        if self._forked:
            return
        with self._lock:
            super().close()
            self._image = self._binding = None

    def _run(self, image: NDArray[Any]) -> Sequence[NDArray[Any]]:
        with self._lock:
            if self._session is None:
                raise EngineError(CLOSED)
            expected = tuple(self._image.shape())
            if image.shape != expected:
                raise ValueError(f"the engine takes images of shape {expected}, got {image.shape}")
            self._image.update_inplace(np.ascontiguousarray(image))
            for name in self._names:  # anew each time: the sizes of outputs may depend on the data
                self._binding.bind_output(name, self._memory)
            self._session.run_with_iobinding(self._binding)
            values: Sequence[NDArray[Any]] = self._binding.copy_outputs_to_cpu()
            return values


def open(
    folder: Path,
    manifest: Manifest,
    *,
    device: str | None,
    threads: int | None,
    profile: Path | None = None,
) -> OnnxRuntimeBackend:
    """Open a session; arguments and errors are those of `open_backend`.

    Args:
        profile: a folder into which ONNX Runtime writes its profile; None of a session without.
    """
    ort = require("onnxruntime", FACTS.extra)
    options = read_options(EngineOptions, folder, manifest)
    device = device or manifest.device
    _check_device(manifest, options, device)
    session_options = _session_options(ort, options, threads)
    if profile is not None:
        session_options.enable_profiling = True
        session_options.profile_file_prefix = str(profile / "profile")
    if device != CPU:
        session_options.add_session_config_entry("session.record_ep_graph_assignment_info", "1")
    cpu_threads = session_options.intra_op_num_threads
    providers = providers_for(ort, session_options, manifest, device, cpu_threads)
    here = {"onnxruntime": ort.__version__, **built_on(device)}
    refuse_if_moved(folder, manifest, here)
    graph = read_file(folder, manifest, options.model_file)  # bytes: what was hashed is what is opened
    with _weights(folder, manifest, options) as place:
        session_options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", str(place)
        )
        try:
            session = ort.InferenceSession(
                graph, session_options, providers=providers or None, enable_fallback=0
            )
        except Exception as error:  # as in infer
            raise EngineError(f"ONNX Runtime cannot open {folder}: {_first_line(error)}") from error
    provider = PROVIDERS[device][0]
    if session.get_providers()[0] != provider:  # its libraries are missing, and it was left out silently
        raise EngineError(
            f"{provider} does not start on this machine, its libraries or its device are missing; "
            "see edgeseg doctor"
        )
    if device == CPU:
        return OnnxRuntimeBackend(session, here)
    others = fallback_nodes(session, device)
    if device in ON_NVIDIA:
        return BoundBackend(session, here, others, ort=ort, memory="cuda")
    return OnnxRuntimeBackend(session, here, others)


@contextmanager
def _weights(folder: Path, manifest: Manifest, options: EngineOptions) -> Iterator[str | Path]:
    """Give the folder in which ONNX Runtime finds weights by name, and maps them.

    The file that it opens must be the one that was compared with its hash. A graph that has its weights in
    itself is told of no folder: what it names elsewhere was compared with no hash.
    """
    if options.weights_file is None:
        yield NOWHERE
        return
    with open_file(folder, manifest, options.weights_file) as compared:
        yield folder.resolve()
        path = folder / options.weights_file
        if identity_of(os.stat(path)) != identity_of(os.fstat(compared.fileno())):
            raise EngineError(f"{path} was changed while it was read; try again")


def _check_device(manifest: Manifest, options: EngineOptions, device: str) -> None:
    optimised = options.graph_optimization == "disabled"
    if device != manifest.device and optimised:
        raise EngineError(
            f"this engine's graph was optimised for {manifest.device}; for {device}, build another: "
            f"edgeseg build --device {device}"
        )


def _session_options(ort: Any, options: EngineOptions, threads: int | None) -> Any:
    session_options = ort.SessionOptions()
    session_options.log_severity_level = LOG_ERRORS_ONLY
    session_options.intra_op_num_threads = threads or min(options.intra_op_threads, usable_cores())
    if options.execution_mode == "parallel":
        session_options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    if not options.spinning:
        for pool in ("intra_op", "inter_op"):
            session_options.add_session_config_entry(f"session.{pool}.allow_spinning", "0")
    if options.graph_optimization == "disabled":
        session_options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return session_options


def _tensor(node: Any) -> Tensor:
    """Read what ONNX Runtime says of an input or output, such as `tensor(float)` and [1, 'detections', 4]."""
    dtype = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(_DTYPES.get(dtype, dtype), shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
