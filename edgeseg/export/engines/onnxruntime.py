"""Turn a portable model into an ONNX Runtime engine: graph optimised once, session options measured."""

from __future__ import annotations

import dataclasses
import shutil
from contextlib import closing
from pathlib import Path
from typing import Any

from edgeseg.bundle import Manifest
from edgeseg.errors import EngineError
from edgeseg.export.engines import Task
from edgeseg.export.engines.candidates import measure_options, thread_counts
from edgeseg.export.engines.tuning import Measured
from edgeseg.extras import require

MODEL_FILE = "model.onnx"
CPU = "cpu"
ON_CPU = (CPU, "openvino")
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
        backend="onnxruntime",
        backend_version=require("onnxruntime", "cpu").__version__,
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
    manifest = dataclasses.replace(manifest, options=measured[0].options)
    return (manifest if device == CPU else _with_left_over(task, manifest)), measured


def _with_left_over(task: Task, manifest: Manifest) -> Manifest:
    """Note which nodes the device leaves to the processor, by execution provider; None if nobody tells."""
    with closing(task.open_engine(task.staging, manifest)) as runner:
        left_over = getattr(runner, "left_over", None)
    return dataclasses.replace(manifest, options={**manifest.options, "left_over": left_over})


def _choices(device: str, threads: int | None) -> list[dict[str, Any]]:
    """List the session options worth measuring: thread counts, and running branches side by side."""
    counts = thread_counts(threads) if device in ON_CPU else [threads or 1]
    choices = [{"intra_op_threads": count, "execution_mode": "sequential"} for count in counts]
    if device == CPU and counts[-1] > 1:
        choices.append({"intra_op_threads": counts[-1], "execution_mode": "parallel"})
    return choices


def _save_optimised(model: Path, target: Path) -> None:
    """Let ONNX Runtime fuse and lay out the graph for this CPU, and keep the result."""
    needed, free = model.stat().st_size, shutil.disk_usage(target.parent).free
    if free < needed:  # ONNX Runtime would blame the graph
        raise EngineError(
            f"{target.parent.parent} has {free >> 20} MiB left, the engine takes {needed >> 20}"
        )
    ort = require("onnxruntime", "cpu")
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.optimized_model_filepath = str(target)
    options.log_severity_level = LOG_ERRORS_ONLY
    try:
        ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises classes of its own without a common base
        raise EngineError(f"ONNX Runtime refuses {model}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
