"""Write the `config.pbtxt` of a repository's two models: Triton's ModelConfig as text of protocol buffers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from edgeseg.serving.tensors import BYTES, DATATYPES, FRAME, TensorSpec, tensors_in, tensors_out
from edgeseg.serving.triton.front import NETWORK
from edgeseg.spec import ModelSpec

QUEUE_DELAY_US = 2000  # that a request waits for others of its batch
FRONTS = 2  # processes around the network: one resizes while the network computes for the other
ACCELERATORS = {"tensorrt": "gpu_execution_accelerator", "openvino": "cpu_execution_accelerator"}
"""Execution providers of ONNX Runtime that Triton calls accelerators, by the device of a build."""
ON_GPU = ("cuda", "tensorrt")


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
            "version_policy": {"latest": {"num_versions": 1}},
            "parameters": {"key": NETWORK, "value": {"string_value": network}},
        }
    )


def network_config(
    name: str, spec: ModelSpec, *, device: str | None, threads: int | None, warmups: Iterable[str]
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
    accelerator = ACCELERATORS.get(device or "")
    return _text(
        {
            "name": name,
            "backend": "onnxruntime",
            "max_batch_size": 0,
            "input": [image],
            "output": outputs,
            **_if(
                device is not None,
                instance_group=[{"count": 1, "kind": Word("KIND_GPU" if device in ON_GPU else "KIND_CPU")}],
            ),
            **_if(
                accelerator is not None,
                optimization={"execution_accelerators": {str(accelerator): [{"name": device}]}},
            ),
            "version_policy": {"latest": {"num_versions": 1}},
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
