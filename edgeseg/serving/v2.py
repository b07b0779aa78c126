"""Read and write the bodies of the KServe protocol, version 2, over HTTP, with its binary tensors.

The protocol: https://github.com/kserve/open-inference-protocol, and Triton's extension of binary tensors:
after the JSON, whose length a header gives, the bytes of tensors follow each other, little-endian, in
row-major order. BYTES are elements of 4 bytes of length and so many bytes.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

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
_MOST_ELEMENTS = 1 << 16  # of BYTES, an object each
_NUMBER_BYTES = 64  # that a number takes on its way to JSON, at most
_MOST_DIGITS = 18  # of a number of bytes
_REQUEST = "the request"  # in messages
_KINDS = {dict: "an object", list: "a list", str: "a text", bool: "true or false"}
T = TypeVar("T")
_NOT_DONE = ("classification", "shared_memory_region")


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


def read_request(body: bytes | bytearray, header_length: str | None) -> InferRequest:
    """Read the body of an inference request.

    Args:
        header_length: as the header HEADER_LENGTH says it; None where all is JSON.

    Raises:
        UsageError, ShapeError: if it is no such request, with the reason.
    """
    try:
        length = _json_length(body, header_length)
        parsed = _checked(parse_json(body[:length], UsageError, "the request's JSON"), dict, _REQUEST)
        tensors = _inputs(_entries(parsed, "inputs"), memoryview(body)[length:])
        parameters = _held(parsed, "parameters", dict, _REQUEST, {})
        binary = _held(parameters, "binary_data_output", bool, _REQUEST, False)
        as_bytes = {
            _held(entry, "name", str, "an output"): _held(
                _parameters(entry, "an output"), "binary_data", bool, "an output", binary
            )
            for entry in _entries(parsed, "outputs", [])
        }
        own = _held(parsed, "id", str, _REQUEST, "")
        return InferRequest(own, tensors, tuple(as_bytes), binary, as_bytes)
    except EdgesegError:
        raise
    except ValueError as error:
        raise UsageError(f"no inference request of the KServe protocol, version 2: {error}") from error


def write_answer(
    name: str, request: InferRequest, tensors: Mapping[str, NDArray[Any]]
) -> tuple[bytes, dict[str, str]]:
    """Give the body of an answer, and its headers.

    Raises:
        UsageError: if numbers in JSON would take too much memory.
    """
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


def _json_length(body: bytes | bytearray, header_length: str | None) -> int:
    """Give how many bytes of a body are JSON."""
    if header_length is None:
        return len(body)
    if header_length.isdecimal() and len(header_length) <= _MOST_DIGITS and int(header_length) <= len(body):
        return int(header_length)
    raise ValueError(f"{HEADER_LENGTH} is {shown(header_length)}, the body has {len(body)} bytes")


def _held(entry: Mapping[str, Any], key: str, kind: type[T], what: str, default: T | None = None) -> T:
    """Give what an object of JSON has under a key; null is as if it was not there.

    Raises:
        ValueError: if it is not of that type, or is not there and has no default.
    """
    value = entry.get(key)
    if value is not None:
        return _checked(value, kind, f"{key!r} of {what}")
    if default is None:
        raise ValueError(f"{what} lacks {key!r}")
    return default


def _entries(parsed: Mapping[str, Any], key: str, default: list[Any] | None = None) -> list[dict[str, Any]]:
    """Give the tensors that a request lists."""
    listed = _held(parsed, key, list, _REQUEST, default)
    return [_checked(one, dict, f"{key}[{index}] of {_REQUEST}") for index, one in enumerate(listed)]


def _checked(value: object, kind: type[T], what: str) -> T:
    if not isinstance(value, kind):
        raise ValueError(f"{what} is to be {_KINDS[kind]}, got {shown(value)}")
    return value


def _inputs(entries: Sequence[Mapping[str, Any]], rest: memoryview) -> dict[str, NDArray[Any]]:
    """Read the inputs, of which those with a size lie in the bytes behind the JSON, one after another."""
    tensors: dict[str, NDArray[Any]] = {}
    for entry in entries:
        name = _held(entry, "name", str, "an input")
        if name in tensors:
            raise UsageError(f"the input {shown(name)} comes twice")
        size = _parameters(entry, "an input").get(_SIZE)
        if size is None:
            tensors[name] = _tensor(entry, _held(entry, "data", list, f"the input {shown(name)}"))
            continue
        if not _is_size(size) or size > len(rest):
            raise ShapeError(f"{shown(name)} has a {_SIZE} of {shown(size)}, {len(rest)} bytes are there")
        tensors[name] = _tensor(entry, rest[:size])
        rest = rest[size:]
    if len(rest):
        raise ShapeError(f"{len(rest)} bytes of the request belong to no input")
    return tensors


def _parameters(entry: Mapping[str, Any], what: str) -> Mapping[str, Any]:
    """Give what a client says of a tensor, if it is done here."""
    found: Mapping[str, Any] = _held(entry, "parameters", dict, what, {})
    for name in _NOT_DONE:
        if name in found:
            raise UsageError(f"{what} has the parameter {name}, which is not served; send and take tensors")
    return found


def _is_size(value: object) -> bool:
    return type(value) is int and value >= 0


def _tensor(entry: Mapping[str, Any], data: Any) -> NDArray[Any]:
    """Read one input: a memoryview of bytes, or a list of JSON, flat or nested."""
    what = f"the input {shown(entry['name'])}"
    shape, datatype = entry.get("shape"), _held(entry, "datatype", str, what)
    if datatype not in _DTYPES:
        raise UsageError(f"the type {shown(datatype)} is not one of {', '.join(_DTYPES)}")
    if not isinstance(shape, list) or len(shape) > _MOST_AXES or not all(map(_is_size, shape)):
        raise ShapeError(f"{what} has the shape {shown(shape)}")
    dtype = _DTYPES[datatype]
    count = math.prod(shape)
    refuse_above("bytes", count * dtype.itemsize, "a tensor of the request", UsageError)
    if datatype == BYTES:
        if count > _MOST_ELEMENTS:
            raise ShapeError(f"a tensor of {BYTES} has at most {_MOST_ELEMENTS} elements, got {count}")
        values = _elements(data, count) if isinstance(data, memoryview) else _texts(data)
    elif isinstance(data, memoryview):
        if len(data) % dtype.itemsize:
            raise ShapeError(f"{len(data)} bytes are no whole number of {datatype}")
        values = np.frombuffer(data, dtype.newbyteorder("<")).astype(dtype, copy=False)
    else:
        values = _numbers(data, dtype)
    if values.size != count:
        raise ShapeError(f"{what} has {values.size} elements, its shape {shape} {count}")
    return values.reshape(shape)


def _numbers(data: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Read numbers of JSON; one that the type does not hold exactly, but for rounded floats, is refused."""
    found = _flat(data, None)
    kinds = {"b": "b", "u": "iu", "i": "iu"}.get(dtype.kind, "iuf")
    if found.size and found.dtype.kind not in kinds:
        raise ValueError(f"its data are not all of the type {DATATYPES[dtype.name]}")
    if dtype.kind in "iu" and found.size:
        range_of = np.iinfo(dtype)
        if found.min() < range_of.min or found.max() > range_of.max:
            raise ValueError(f"its data are not all within {range_of.min} to {range_of.max}")
    with np.errstate(over="ignore"):  # what is too large becomes infinite, which frames may not be
        return found.astype(dtype)


def _texts(data: Any) -> NDArray[np.object_]:
    flat = _flat(data, np.dtype(np.object_))
    try:
        return _objects([_checked(one, str, "an element").encode() for one in flat])
    except ValueError as error:  # half a character has no bytes
        raise ValueError(f"elements of {BYTES} in JSON are texts of whole characters") from error


def _flat(data: Any, dtype: np.dtype[Any] | None) -> NDArray[Any]:
    try:
        return np.asarray(data, dtype).ravel()
    except ValueError as error:
        raise ValueError("its data are lists of unequal lengths") from error


def _elements(data: memoryview, count: int) -> NDArray[np.object_]:
    found: list[bytes] = []
    while len(data) and len(found) <= count:
        if len(data) < _LENGTH.size:
            raise ShapeError(f"{len(data)} bytes at the request's end are no length of an element")
        (length,) = _LENGTH.unpack_from(data)
        end = _LENGTH.size + length
        if end > len(data):
            raise ShapeError(f"an element of {length} bytes goes beyond the request's end")
        found.append(bytes(data[_LENGTH.size : end]))
        data = data[end:]
    return _objects(found)


def _objects(values: Sequence[bytes]) -> NDArray[np.object_]:
    found = np.empty(len(values), np.object_)
    found[:] = values
    return found


def _encoded(values: NDArray[Any]) -> bytes:
    if values.dtype == np.object_:
        return b"".join(_LENGTH.pack(len(one)) + one for one in values.ravel())
    return np.ascontiguousarray(values, values.dtype.newbyteorder("<")).tobytes()


def _listed(values: NDArray[Any]) -> Sequence[Any]:
    if values.dtype == np.object_:
        return [one.decode() for one in values.ravel()]
    what = "an output as numbers in JSON (ask for binary data)"
    refuse_above("bytes", values.size * _NUMBER_BYTES, what, UsageError)
    flat: list[Any] = values.ravel().tolist()
    return flat
