"""Write the `config.pbtxt` of a repository's two models: Triton's ModelConfig as text of protocol buffers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from edgeseg.engines.facts import CPU
from edgeseg.errors import UsageError
from edgeseg.serving.tensors import BYTES, DATATYPES, FRAME, TensorSpec, tensors_in, tensors_out
from edgeseg.serving.triton.front import NETWORK
from edgeseg.spec import ModelSpec, Precision

QUEUE_DELAY_US = 2000  # that a request waits for others of its batch
FRONTS = 2  # processes around the network: one resizes while the network computes for the other
VERSIONS = {"latest": {"num_versions": 2}}  # a new network serves before the old one goes
CPU_ACCELERATORS: Mapping[str, tuple[str, ...]] = {CPU: (), "openvino": ("openvino",)}
GPU_ACCELERATORS: Mapping[str, tuple[str, ...]] = {"cuda": ("cuda",), "tensorrt": ("tensorrt", "cuda")}
"""Execution providers of ONNX Runtime that Triton can be told about, by the device of a build."""
_OF_EDGESEG = "# as edgeseg build wrote it: "


class Word(str):
    """A value that stands without quotes, such as KIND_CPU."""


def front_config(name: str, network: str, spec: ModelSpec) -> str:
    """Give the text for the model that clients call."""
    batch = spec.input.batch
    several = len(tensors_in(spec)) > 1
    taken = [
        _tensor(tensor)
        | _if(several, optional=True)
        | _if(tensor.name == FRAME, allow_ragged_batch=True)  # frames of several sizes share a batch
        for tensor in tensors_in(spec)
    ]
    return _text(
        {
            "name": name,
            "backend": "python",
            "max_batch_size": batch,
            "input": taken,
            "output": [_tensor(tensor) for tensor in tensors_out(spec)],
            **_if(batch > 1, dynamic_batching={"max_queue_delay_microseconds": QUEUE_DELAY_US}),
            "instance_group": [{"count": FRONTS, "kind": Word("KIND_CPU")}],
            "version_policy": VERSIONS,
            "parameters": {"key": NETWORK, "value": {"string_value": network}},
        }
    )


def network_config(
    name: str,
    spec: ModelSpec,
    *,
    precision: Precision = "fp32",
    device: str | None,
    threads: int | None,
    warmups: Iterable[str],
) -> str:
    """Give the text for the network's model, whose batch is fixed.

    Args:
        device: of ONNX Runtime, in the words of a build; None leaves it to the server, which takes its GPUs.
        threads: of an inference on the processor; None leaves it to ONNX Runtime.
        warmups: files of input images in the model's folder `warmup`.
    """
    taken = spec.input
    image = {
        "name": "image",
        "data_type": _type(DATATYPES[taken.dtype]),
        "dims": [taken.batch, taken.height, taken.width, taken.channels],
    }
    outputs = [
        {
            "name": output.name,
            "data_type": _type(DATATYPES[output.dtype]),
            "dims": [-1 if size is None else size for size in output.shape],
        }
        for output in spec.outputs
    ]
    warm_image = {"data_type": image["data_type"], "dims": image["dims"]}
    return _text(
        {
            "name": name,
            "backend": "onnxruntime",
            "max_batch_size": 0,
            "input": [image],
            "output": outputs,
            **_placed(spec, precision, device),
            "version_policy": VERSIONS,
            **_if(
                threads is not None,
                parameters={"key": "intra_op_thread_count", "value": {"string_value": str(threads)}},
            ),
            "model_warmup": [
                {
                    "name": file,
                    "batch_size": 1,
                    "inputs": {"key": "image", "value": {**warm_image, "input_data_file": file}},
                }
                for file in warmups
            ],
        }
    )


def refuse_device(device: str | None) -> None:
    """Refuse a device of ONNX Runtime that Triton cannot be told about, with a UsageError."""
    known = (*CPU_ACCELERATORS, *GPU_ACCELERATORS)
    if device is not None and device not in known:
        raise UsageError(f"Triton's ONNX Runtime has no device {device}; it has {', '.join(known)}")


def signed(text: str) -> str:
    """Put a line before a configuration by which `is_signed` knows it again."""
    return f"{_OF_EDGESEG}{_digest(text)}\n{text}"


def is_signed(text: str) -> bool:
    """Whether a configuration is as `signed` gave it."""
    first, _, rest = text.partition("\n")
    return first == _OF_EDGESEG + _digest(rest)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _placed(spec: ModelSpec, precision: Precision, device: str | None) -> dict[str, Any]:
    """Say where the network runs, and how precisely, as an engine of the same device would."""
    if device is None and precision == "int8":
        device = CPU  # whose form of int8 was chosen; there is none for CUDA
    full_float32 = precision == "fp32" or bool(spec.graph.float32_modules)
    parameters: Mapping[str, Mapping[str, str]] = {
        "tensorrt": {"precision_mode": precision.upper()},  # without any, Triton names it no GPU
        "cuda": {"use_tf32": "0"} if full_float32 else {},  # TF32 has 10 bits of float32's 23
    }
    on_gpu = GPU_ACCELERATORS.get(device or "cuda", ())
    on_cpu = CPU_ACCELERATORS.get(device or CPU, ())
    accelerators = {
        "gpu_execution_accelerator": [
            _accelerator(one, parameters[one]) for one in on_gpu if parameters[one]
        ],
        "cpu_execution_accelerator": [_accelerator(one, {}) for one in on_cpu],
    }
    told = {kind: those for kind, those in accelerators.items() if those}
    kind = "KIND_GPU" if on_gpu else "KIND_CPU"
    return {
        **_if(device is not None, instance_group=[{"count": 1, "kind": Word(kind)}]),
        **_if(bool(told), optimization={"execution_accelerators": told}),
    }


def _accelerator(name: str, parameters: Mapping[str, str]) -> dict[str, Any]:
    pairs = [{"key": key, "value": value} for key, value in parameters.items()]
    return {"name": name, **_if(bool(pairs), parameters=pairs)}


def _tensor(tensor: TensorSpec) -> dict[str, Any]:
    """Describe a tensor without the axis of the batch, which Triton adds."""
    return {
        "name": tensor.name,
        "data_type": _type(tensor.datatype),
        "dims": list(tensor.shape[1:]),
    }


def _type(datatype: str) -> Word:
    return Word("TYPE_STRING" if datatype == BYTES else f"TYPE_{datatype}")


def _if(condition: bool, **fields: Any) -> dict[str, Any]:
    return fields if condition else {}


def _text(message: Mapping[str, Any], indent: str = "") -> str:
    return "".join(f"{indent}{line}\n" for name, value in message.items() for line in _lines(name, value))


def _lines(name: str, value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [f"{name} {{", *_text(value, "  ").splitlines(), "}"]
    if isinstance(value, list) and value and isinstance(value[0], Mapping):
        return [line for one in value for line in _lines(name, one)]
    return [f"{name}: {_scalar(value)}"]


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Word | int):
        return str(value)
    if isinstance(value, list):
        return f"[{', '.join(map(_scalar, value))}]"
    return json.dumps(value)
