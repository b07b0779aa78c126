"""Run a graph in ONNX Runtime on the processor, for proofs and measurements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ExportError, ShapeError
from edgeseg.extras import require
from edgeseg.reading import reason_of
from edgeseg.spec import InputSpec

REFERENCE = "onnxruntime"  # in which graphs run that engines are compared with
LOG_FATAL_ONLY = 4  # errors are raised, too

Run = Callable[[NDArray[Any]], Mapping[str, NDArray[Any]]]
"""Runs an artifact on one batch: (N, H, W, C) of its input's type -> outputs by name."""


def remembering(run: Run, images: NDArray[Any]) -> Run:
    """Let a run compute each of these images once, however often it is asked for them.

    Args:
        images: (M, H, W, C); what is computed of others is not kept.
    """
    wanted = {image.tobytes() for image in images}
    known: dict[bytes, dict[str, NDArray[Any]]] = {}

    def remembered(batch: NDArray[Any]) -> Mapping[str, NDArray[Any]]:
        keys = [image.tobytes() for image in batch]
        if known.keys() >= set(keys):
            return {name: np.stack([known[key][name] for key in keys]) for name in known[keys[0]]}
        outputs = run(batch)
        for index, key in enumerate(keys):
            if key in wanted:
                known[key] = {name: array[index].copy() for name, array in outputs.items()}
        return outputs

    return remembered


def reference_library() -> Any:
    """Import what proofs run in.

    Raises:
        MissingExtraError: if it is not installed.
    """
    return require(REFERENCE, "cpu")


def open_run(model: Path | bytes, *, as_written: bool = False, image: str = "image") -> Run:
    """Open a model in ONNX Runtime on the CPU.

    Args:
        model: a serialized model, or the file of one.
        image: name of its input; a graph that is none of edgeseg's takes images of its own kind.
        as_written: compute each node by itself; a graph in int8 then computes what it means, in float32, and
            not what int8 kernels make of it.

    Raises:
        ExportError: if ONNX Runtime refuses the graph, or, from the returned function, cannot run it.
        MissingExtraError: if ONNX Runtime is not installed.
    """
    ort = reference_library()
    options = ort.SessionOptions()
    options.log_severity_level = LOG_FATAL_ONLY
    if as_written:
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        source = model if isinstance(model, bytes) else str(model)
        # Without its fallback, which would print to the standard output and try the same again.
        session = ort.InferenceSession(source, options, providers=["CPUExecutionProvider"], enable_fallback=0)
    except Exception as error:  # ONNX Runtime raises classes of its own without a common base
        raise ExportError(f"ONNX Runtime refuses the graph: {reason_of(error)}") from error
    vars(session).pop("_model_bytes", None)  # kept for the fallback alone: once more the size of the model
    names = [output.name for output in session.get_outputs()]

    def run(images: NDArray[Any]) -> dict[str, NDArray[Any]]:
        try:
            outputs = session.run(names, {image: images})
        except Exception as error:  # as above
            raise ExportError(f"ONNX Runtime cannot run the graph: {reason_of(error)}") from error
        return dict(zip(names, outputs, strict=True))

    return run


def check_frames(frames: NDArray[Any] | None, taken: InputSpec) -> None:
    """Refuse what is no (M, H, W, C) of an input's size, channels and type. Raises ShapeError."""
    shape = (taken.height, taken.width, taken.channels)
    if frames is not None and (frames.dtype != taken.dtype or frames.shape[1:] != shape):
        wanted = f"(M, {', '.join(map(str, shape))}) {taken.dtype}"
        raise ShapeError(f"images must be {wanted}, got {frames.shape} {frames.dtype}")


def run_all(run: Run, images: NDArray[Any], batch: int) -> list[dict[str, NDArray[Any]]]:
    """Run an artifact of a fixed batch size on any number of images.

    Args:
        images: (M, H, W, C); the last batch is filled with its last image.

    Returns:
        The outputs of each image, without the batch axis.
    """
    results: list[dict[str, NDArray[Any]]] = []
    for first in range(0, len(images), batch):
        part = images[first : first + batch]
        filled = np.concatenate([part, np.repeat(part[-1:], batch - len(part), axis=0)])
        outputs = run(filled)
        results += [{name: array[i] for name, array in outputs.items()} for i in range(len(part))]
    return results
