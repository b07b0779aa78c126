"""Turn an engine built for ONNX Runtime into a session with the manifest's options.

The manifest's device picks the execution provider. Of its options `model_file` names the graph;
`intra_op_threads` is a number, 0 leaves it to ONNX Runtime; `execution_mode` is `sequential` or `parallel`;
`graph_optimization` is `all`, or `disabled` where the graph was saved optimised.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import Manifest
from edgeseg.errors import EngineError, MissingExtraError, UsageError
from edgeseg.runtime.backends import Tensor, refuse_if_moved
from edgeseg.runtime.machine import processor

_CPU = "cpu"
# The CPU stands behind every accelerator for the nodes that it does not take.
_PROVIDERS: Mapping[str, tuple[str, ...]] = {
    _CPU: ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
}
_DEFAULTS: Mapping[str, Any] = {
    "model_file": "model.onnx",
    "intra_op_threads": 0,
    "execution_mode": "sequential",
    "graph_optimization": "all",
}
_LOG_ERRORS_ONLY = 3  # warnings concern the graph's makers; what fails is raised
_DTYPES: Mapping[str, str] = {  # of ONNX Runtime's names those that are not numpy's too
    "float": "float32",
    "double": "float64",
}


class OnnxRuntimeBackend:
    """A session of ONNX Runtime; see `Backend` for what each member promises."""

    def __init__(self, session: Any, built_on: Mapping[str, str]) -> None:
        self._session = session
        self.built_on = built_on
        self.inputs = {node.name: _tensor(node) for node in session.get_inputs()}
        self.outputs = {node.name: _tensor(node) for node in session.get_outputs()}
        (self._input,) = self.inputs
        self._names = list(self.outputs)

    def infer(self, image: NDArray[np.uint8], /) -> dict[str, NDArray[Any]]:
        """Run one batch of images (N, H, W, 3) and return the outputs by name."""
        if self._session is None:
            raise EngineError("the engine is closed; open it again")
        try:
            values = self._session.run(self._names, {self._input: image})
        except Exception as error:  # ONNX Runtime raises classes of its own without a common base
            raise EngineError(f"ONNX Runtime failed: {_first_line(error)}") from error
        return dict(zip(self._names, values, strict=True))

    def close(self) -> None:
        """Drop the session; its memory goes with the last output that is in use."""
        self._session = None


def open(folder: Path, manifest: Manifest, *, device: str | None, threads: int | None) -> OnnxRuntimeBackend:
    """Open a session; arguments and errors are those of `open_backend`."""
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("onnxruntime", "cpu") from error
    options: Mapping[str, Any] = {**_DEFAULTS, **manifest.options}
    model_file = options["model_file"]
    if model_file not in manifest.files:
        raise EngineError(f"{folder} has no graph {model_file!r}; build the engine again")
    device = device or manifest.device
    _check_device(manifest, device)
    built_on = {"onnxruntime": onnxruntime.__version__, **(processor() if device == _CPU else {})}
    refuse_if_moved(folder, manifest, built_on)
    providers = _present_providers(_PROVIDERS[device], onnxruntime.get_available_providers())
    try:
        session = onnxruntime.InferenceSession(
            str(folder / model_file), _session_options(onnxruntime, options, threads), providers=providers
        )
    except Exception as error:  # as in infer
        raise EngineError(f"ONNX Runtime cannot open {folder}: {_first_line(error)}") from error
    if session.get_providers()[0] != providers[0]:  # its libraries are missing, and it was left out silently
        raise EngineError(
            f"{providers[0]} does not start on this machine, its libraries or its device are missing; "
            "see edgeseg doctor"
        )
    return OnnxRuntimeBackend(session, built_on)


def _check_device(manifest: Manifest, device: str) -> None:
    if device not in _PROVIDERS:
        raise UsageError(f"ONNX Runtime has no device {device!r}; it has {', '.join(_PROVIDERS)}")
    optimised = manifest.options.get("graph_optimization") == "disabled"
    if device != manifest.device and optimised:
        raise EngineError(
            f"this engine's graph was optimised for {manifest.device}; for {device}, build another: "
            f"edgeseg build --device {device}"
        )


def _present_providers(wanted: tuple[str, ...], present: list[str]) -> list[str]:
    """Keep the providers that this ONNX Runtime has; the first one must be among them."""
    if wanted[0] not in present:
        raise EngineError(
            f"this ONNX Runtime has no {wanted[0]} (it has {', '.join(present)}); run: "
            "pip uninstall onnxruntime && pip install 'edgeseg[gpu]'"
        )
    return [name for name in wanted if name in present]


def _session_options(ort: Any, options: Mapping[str, Any], threads: int | None) -> Any:
    session_options = ort.SessionOptions()
    session_options.log_severity_level = _LOG_ERRORS_ONLY
    session_options.intra_op_num_threads = threads or options["intra_op_threads"]
    if options["execution_mode"] == "parallel":
        session_options.execution_mode = ort.ExecutionMode.ORT_PARALLEL
    if options["graph_optimization"] == "disabled":
        session_options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    return session_options


def _tensor(node: Any) -> Tensor:
    """Read what ONNX Runtime says of an input or output, such as `tensor(float)` and [1, 'detections', 4]."""
    dtype = node.type.removeprefix("tensor(").removesuffix(")")
    shape = tuple(size if isinstance(size, int) else None for size in node.shape)
    return Tensor(_DTYPES.get(dtype, dtype), shape)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
