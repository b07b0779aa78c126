"""Turn a portable model into an ONNX Runtime engine: graph optimised once, session options measured."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

from edgeseg.bundle import Manifest
from edgeseg.errors import EngineError, MissingExtraError
from edgeseg.export.engines import Task
from edgeseg.export.engines.candidates import measure_options, thread_counts
from edgeseg.export.engines.tuning import Measured

MODEL_FILE = "model.onnx"
CPU = "cpu"
LOG_ERRORS_ONLY = 3  # ONNX Runtime warns that an optimised graph fits this machine only, which is its purpose


def fill_engine(task: Task) -> tuple[Manifest, list[Measured]]:
    """Write the engine's files and decide its session options; see `FillEngine`."""
    request = task.request
    device = request.device or CPU
    optimised = device == CPU
    if optimised:
        _save_optimised(task.model, task.staging / MODEL_FILE)
    else:
        shutil.copyfile(task.model, task.staging / MODEL_FILE)
    manifest = Manifest(
        backend=request.backend,
        backend_version=_onnxruntime().__version__,
        precision=request.precision,
        device=device,
        spec=task.spec,
        model_sha256=task.model_sha256,
        files={MODEL_FILE: ""},
        options={
            "model_file": MODEL_FILE,
            # the saved graph is optimised already; doing it again would only slow down opening
            "graph_optimization": "disabled" if optimised else "all",
        },
    )
    measured = measure_options(task, manifest, _choices(device, request.threads))
    return dataclasses.replace(manifest, options=measured[0].options), measured


def _choices(device: str, threads: int | None) -> list[dict[str, Any]]:
    """List the session options worth measuring: thread counts, and running branches side by side."""
    if device != CPU:
        return [{"intra_op_threads": threads or 1, "execution_mode": "sequential"}]
    counts = thread_counts(threads)
    choices = [{"intra_op_threads": count, "execution_mode": "sequential"} for count in counts]
    if counts[-1] > 1:
        choices.append({"intra_op_threads": counts[-1], "execution_mode": "parallel"})
    return choices


def _save_optimised(model: Path, target: Path) -> None:
    """Let ONNX Runtime fuse and lay out the graph for this CPU, and keep the result."""
    needed, free = model.stat().st_size, shutil.disk_usage(target.parent).free
    if free < needed:  # ONNX Runtime would blame the graph
        raise EngineError(
            f"{target.parent.parent} has {free >> 20} MiB left, the engine takes {needed >> 20}"
        )
    ort = _onnxruntime()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target)
    options.log_severity_level = LOG_ERRORS_ONLY
    try:
        ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own without a common base
        raise EngineError(f"ONNX Runtime refuses {model}: {_first_line(error)}") from error


def _onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise MissingExtraError("onnxruntime", "cpu") from None
    return onnxruntime


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
