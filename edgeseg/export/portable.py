"""Turn a portable model's file into its graph, its spec, its golden outputs, or something that runs."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import GOLDEN_KEY, SPEC_KEY
from edgeseg.errors import ExportError, SpecError
from edgeseg.export.declared import refuse_hostile
from edgeseg.export.golden import Golden
from edgeseg.export.parity import Run
from edgeseg.extras import require
from edgeseg.reading import open_regular, reading, reason_of
from edgeseg.spec import ModelSpec

if TYPE_CHECKING:
    import onnx

MAX_FILE_BYTES = 2**31 - 1  # of a protobuf message
LOG_FATAL_ONLY = 4  # errors are raised, too


def load_onnx(path: Path) -> onnx.ModelProto:
    """Read any ONNX file that is whole in itself, and not larger than the limits allow.

    Raises:
        ExportError: if the file cannot be read, is not ONNX, keeps data in other files, or says that tensors
            are huge.
    """
    import onnx

    with reading(path, ExportError, what="an ONNX file", mend="export it again"):
        with open_regular(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MAX_FILE_BYTES:
                raise ExportError(f"{path} has {size} bytes, an .onnx file holds at most {MAX_FILE_BYTES}")
            data = file.read()
        try:
            model = onnx.load_model_from_string(data)
        except Exception as error:  # protobuf's own, and whatever onnx makes of bytes that happen to parse
            raise ExportError(f"{path} is not an ONNX file, or a broken one") from error
        if not model.graph.node:
            raise ExportError(f"{path} is not an ONNX file, or an empty one")
        refuse_hostile(model, str(path))
    return model


def load_portable(path: Path) -> tuple[onnx.ModelProto, ModelSpec]:
    """Read a portable model and its spec.

    Raises:
        ExportError: as `load_onnx`, and if the file was not made by `edgeseg export`.
    """
    model = load_onnx(path)
    text = metadata_of(model).get(SPEC_KEY)
    if text is None:
        raise ExportError(f"{path} was not made by edgeseg; make one from the checkpoint with edgeseg export")
    try:
        return model, ModelSpec.from_json(text)
    except SpecError as error:
        raise ExportError(f"{path}: {error}") from error


def read_spec(path: Path) -> ModelSpec:
    """Read the spec of a portable model; raises as `load_portable`."""
    return load_portable(path)[1]


def golden_of(model: onnx.ModelProto, name: str) -> Golden:
    """Take the golden outputs out of a loaded model; `name` is for messages."""
    text = metadata_of(model).get(GOLDEN_KEY)
    if text is None:
        raise ExportError(f"{name} has no golden outputs; export it again")
    try:
        return Golden.from_json(text)
    except SpecError as error:
        raise ExportError(f"{name}: {error}") from error


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """Give the model's metadata as a dictionary."""
    return {entry.key: entry.value for entry in model.metadata_props}


def graph_sha256(model: onnx.ModelProto) -> str:
    """Hash what a graph computes and what is said of it: nodes, weights, inputs, outputs, spec.

    Raises:
        ExportError: if the weights are damaged beyond reading.
    """
    from onnx import ModelProto, numpy_helper

    bare = ModelProto()
    bare.opset_import.extend(model.opset_import)
    bare.functions.extend(model.functions)
    bare.graph.node.extend(model.graph.node)
    bare.graph.input.extend(model.graph.input)
    bare.graph.output.extend(model.graph.output)
    digest = hashlib.sha256(bare.SerializeToString(deterministic=True))
    try:
        for tensor in sorted(model.graph.initializer, key=lambda tensor: tensor.name):
            array = np.ascontiguousarray(numpy_helper.to_array(tensor))
            digest.update(f"{tensor.name} {array.dtype.str} {array.shape}\n".encode())
            digest.update(array.tobytes())
    except Exception as error:  # bytes that happen to parse make onnx raise anything
        raise ExportError(
            f"the weights cannot be read ({reason_of(error)}); export the model again"
        ) from error
    digest.update(metadata_of(model).get(SPEC_KEY, "").encode())
    return digest.hexdigest()


def open_run(model: Path | bytes, *, as_written: bool = False) -> Run:
    """Open a model in ONNX Runtime on the CPU.

    Args:
        as_written: compute each node by itself; a graph in int8 then computes what it means, in float32, and
            not what int8 kernels make of it.

    Raises:
        ExportError: if ONNX Runtime refuses the graph, or, from the returned function, cannot run it.
        MissingExtraError: if ONNX Runtime is not installed.
    """
    ort = require("onnxruntime", "cpu")
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
    names = [output.name for output in session.get_outputs()]

    def run(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        try:
            outputs = session.run(names, {"image": images})
        except Exception as error:  # as above
            raise ExportError(f"ONNX Runtime cannot run the graph: {reason_of(error)}") from error
        return dict(zip(names, outputs, strict=True))

    return run
