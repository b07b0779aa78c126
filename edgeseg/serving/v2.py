"""Read and write the bodies of the KServe protocol, version 2, over HTTP, with its binary tensors.

The protocol: https://github.com/kserve/open-inference-protocol, and Triton's extension of binary tensors:
after the JSON, whose length a header gives, the bytes of tensors follow each other, little-endian, in
row-major order. BYTES are elements of 4 bytes of length and so many bytes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import EdgesegError, ShapeError, UsageError, shown
from edgeseg.limits import refuse_above
from edgeseg.reading import parse_json
from edgeseg.serving.tensors import BYTES, DATATYPES, TensorSpec, tensors_in, tensors_out
from edgeseg.spec import ModelSpec

HEADER_LENGTH = "Inference-Header-Content-Length"  # bytes of JSON in a body that holds binary tensors
VERSION = "1"  # of the one model
_DTYPES = {datatype: np.dtype(name) for name, datatype in DATATYPES.items()}
_LENGTH = struct.Struct("<I")
_SIZE = "binary_data_size"
_MOST_AXES = 8


@dataclass(frozen=True)
class InferRequest:
    """What a client asks.

    Attributes:
        id: its own name for it, which comes back.
        tensors: by name.
        wanted: names of outputs; all if there are none.
        binary: whether outputs come as bytes, and not as numbers in the JSON.
        as_bytes: the same of each output that is named.
    """

    id: str
    tensors: Mapping[str, NDArray[Any]]
    wanted: tuple[str, ...]
    binary: bool
    as_bytes: Mapping[str, bool]


def read_request(body: bytes, header_length: str | None) -> InferRequest:
    """Read the body of an inference request.

    Args:
        header_length: as the header HEADER_LENGTH says it; None where all is JSON.

    Raises:
        UsageError, ShapeError: if it is no such request, with the reason.
    """
    try:
        length = len(body) if header_length is None else int(header_length)
        parsed = parse_json(body[:length], UsageError, "the request", limit="bytes")
        rest = memoryview(body)[length:]
        tensors: dict[str, NDArray[Any]] = {}
        for entry in parsed["inputs"]:
            size = entry.get("parameters", {}).get(_SIZE)
            data = entry["data"] if size is None else rest[:size]
            rest = rest[size or 0 :]
            tensors[str(entry["name"])] = _tensor(entry, data)
        asked = parsed.get("outputs", [])
        binary = bool(parsed.get("parameters", {}).get("binary_data_output", False))
        as_bytes = {
            str(entry["name"]): bool(entry.get("parameters", {}).get("binary_data", binary))
            for entry in asked
        }
        return InferRequest(str(parsed.get("id", "")), tensors, tuple(as_bytes), binary, as_bytes)
    except EdgesegError:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        reason = f"it lacks {error}" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"no inference request of the KServe protocol, version 2: {reason}") from error


def write_answer(
    name: str, request: InferRequest, tensors: Mapping[str, NDArray[Any]]
) -> tuple[bytes, dict[str, str]]:
    """Give the body of an answer, and its headers."""
    outputs, parts = [], []
    for output, values in tensors.items():
        entry: dict[str, Any] = {
            "name": output,
            "datatype": DATATYPES[values.dtype.name],
            "shape": list(values.shape),
        }
        if request.as_bytes.get(output, request.binary):
            data = _encoded(values)
            entry["parameters"] = {_SIZE: len(data)}
            parts.append(data)
        else:
            entry["data"] = _listed(values)
        outputs.append(entry)
    told = {"model_name": name, "model_version": VERSION, "outputs": outputs}
    if request.id:
        told["id"] = request.id
    head = json.dumps(told).encode()
    if not parts:
        return head, {"Content-Type": "application/json"}
    headers = {"Content-Type": "application/octet-stream", HEADER_LENGTH: str(len(head))}
    return b"".join((head, *parts)), headers


def metadata(name: str, spec: ModelSpec) -> dict[str, Any]:
    """Give what a client may ask of a model: its tensors."""
    return {
        "name": name,
        "versions": [VERSION],
        "platform": "edgeseg",
        "inputs": [_described(tensor) for tensor in tensors_in(spec)],
        "outputs": [_described(tensor) for tensor in tensors_out(spec)],
    }


def _described(tensor: TensorSpec) -> dict[str, Any]:
    return {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}


def _tensor(entry: Mapping[str, Any], data: Any) -> NDArray[Any]:
    """Read one input: a memoryview of bytes, or a list of JSON, flat or nested."""
    shape = tuple(int(size) for size in entry["shape"])
    datatype = entry["datatype"]
    if datatype not in _DTYPES:
        raise UsageError(f"the type {shown(datatype)} is not one of {', '.join(_DTYPES)}")
    if len(shape) > _MOST_AXES or any(size < 0 for size in shape):
        raise ShapeError(f"{shown(entry['name'])} has the shape {shown(list(shape))}")
    dtype = _DTYPES[datatype]
    count = int(np.prod([int(size) for size in shape], dtype=object))
    refuse_above("bytes", count * dtype.itemsize, "a tensor of the request", UsageError)
    if isinstance(data, memoryview):
        if datatype == BYTES:
            values = _elements(data)
        else:
            if len(data) % dtype.itemsize:
                raise ShapeError(f"{len(data)} bytes are no whole number of {datatype}")
            values = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False)
    elif datatype == BYTES:
        flat = np.asarray(data, np.object_).ravel()
        values = np.empty(len(flat), np.object_)
        values[:] = [one.encode() if isinstance(one, str) else bytes(one) for one in flat]
    else:
        values = np.asarray(data, dtype).ravel()
    if values.size != count:
        raise ShapeError(
            f"{shown(entry['name'])} has {values.size} elements, its shape {list(shape)} {count}"
        )
    return values.reshape(shape)


def _elements(data: memoryview) -> NDArray[np.object_]:
    found: list[bytes] = []
    while len(data):
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        if end > len(data):
            raise ShapeError(f"an element of {length} bytes goes beyond the request's end")
        found.append(bytes(data[_LENGTH.size : end]))
        data = data[end:]
    values = np.empty(len(found), np.object_)
    values[:] = found
    return values


def _encoded(values: NDArray[Any]) -> bytes:
    if values.dtype == np.object_:
        return b"".join(_LENGTH.pack(len(one)) + one for one in values.ravel())
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()


def _listed(values: NDArray[Any]) -> Sequence[Any]:
    if values.dtype == np.object_:
        return [one.decode() for one in values.ravel()]
    flat: list[Any] = values.ravel().tolist()
    return flat
