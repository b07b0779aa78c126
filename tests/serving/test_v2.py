"""Bodies of the KServe protocol are read and written as NVIDIA's client writes and reads them."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tritonclient.http")

import tritonclient.http as client

from edgeseg.errors import EdgesegError, UsageError
from edgeseg.limits import VARIABLE
from edgeseg.serving.v2 import HEADER_LENGTH, metadata, read_request, write_answer
from tests.runtime.specs import labels_spec

FRAME = np.arange(24, dtype=np.uint8).reshape(1, 2, 4, 3)


def request_of(values: np.ndarray[Any, Any], datatype: str, *, binary: bool, wanted: Any = None) -> Any:
    tensor = client.InferInput("frame", values.shape, datatype)
    tensor.set_data_from_numpy(values, binary_data=binary)
    outputs = [client.InferRequestedOutput(name, binary_data=as_bytes) for name, as_bytes in wanted or ()]
    body, length = client.InferenceServerClient.generate_request_body([tensor], outputs, request_id="7")
    return read_request(bytes(body), None if length is None else str(length))


@pytest.mark.parametrize("binary", [True, False])
@pytest.mark.parametrize(
    ("values", "datatype"),
    [
        (FRAME, "UINT8"),
        (np.array([[1.5, -2.25]], np.float32), "FP32"),
        (np.array([[1, 0]], np.bool_), "BOOL"),
        (np.array([[b"one", b""]], np.object_), "BYTES"),
    ],
)
def test_what_a_client_sends_is_read(values: Any, datatype: str, binary: bool) -> None:
    request = request_of(values, datatype, binary=binary)
    assert request.id == "7"
    found = request.tensors["frame"]
    assert found.dtype == values.dtype
    np.testing.assert_array_equal(found, values)


@pytest.mark.parametrize("as_bytes", [True, False])
def test_a_client_reads_what_is_answered(as_bytes: bool) -> None:
    tensors = {
        "labels": FRAME[..., 0],
        "scores": np.array([[0.5]], np.float32),
        "masks_rle": np.array([[b'{"size": [2, 4]}', b""]], np.object_),
    }
    request = request_of(FRAME, "UINT8", binary=True, wanted=[(name, as_bytes) for name in tensors])
    assert request.wanted == tuple(tensors)
    body, headers = write_answer("tiny", request, tensors)
    length = headers.get(HEADER_LENGTH)
    assert (length is not None) == as_bytes
    result = client.InferenceServerClient.parse_response_body(
        body, header_length=None if length is None else int(length)
    )
    assert result.get_response()["id"] == "7"
    for name, values in tensors.items():
        found = result.as_numpy(name)
        if name == "masks_rle":
            found = np.vectorize(lambda one: one.encode() if isinstance(one, str) else one, otypes="O")(found)
        np.testing.assert_array_equal(found, values)


ENTRY = {"name": "frame", "datatype": "UINT8", "shape": [1, 2], "data": [1, 2]}


def entry(**changes: Any) -> bytes:
    return json.dumps({"inputs": [{**ENTRY, **changes}]}).encode()


def sent(**beside: Any) -> bytes:
    return json.dumps({"inputs": [ENTRY], **beside}).encode()


CLASSES = {"name": "labels", "parameters": {"classification": 2}}
BINARY = entry(parameters={"binary_data_size": 2})


@pytest.mark.parametrize(
    ("body", "length", "why"),
    [
        (b"", None, "no inference request"),
        (b"{}", None, "lacks 'inputs'"),
        (b'{"inputs": null}', None, "the request lacks 'inputs'"),
        (b'{"inputs": {"name": "frame"}}', None, "'inputs' of the request is to be a list, got {'name'"),
        (b'{"inputs": ["frame"]}', None, r"inputs\[0\] of the request is to be an object, got 'frame'"),
        (b"[]", None, r"the request is to be an object, got \[\]"),
        (sent(parameters=[]), None, r"'parameters' of the request is to be an object, got \[\]"),
        (sent(parameters={"binary_data_output": "no"}), None, "is to be true or false, got 'no'"),
        (sent(outputs="labels"), None, "'outputs' of the request is to be a list, got 'labels'"),
        (sent(outputs=["labels"]), None, r"outputs\[0\] of the request is to be an object, got 'labels'"),
        (sent(outputs=[{}]), None, "an output lacks 'name'"),
        (entry(name=3), None, "'name' of an input is to be a text, got 3"),
        (entry(datatype=["UINT8"]), None, "'datatype' of the input 'frame' is to be a text"),
        (entry(shape=None), None, "the input 'frame' has the shape None"),
        (entry(data=5), None, "'data' of the input 'frame' is to be a list, got 5"),
        (entry(data=[[1], [2, 3]]), None, "lists of unequal lengths"),
        (entry(datatype="BYTES", shape=[1], data=["\ud800"]), None, "texts of whole characters"),
        (entry(), "many", "Content-Length is 'many', the body has"),
        (entry(datatype="STRING"), None, "'STRING' is not one of BOOL"),
        (entry(shape=[3]), None, "2 elements, its shape"),
        (entry(shape=[-1, -2]), None, "has the shape"),
        (entry(shape=[1 << 40, 1 << 40]), None, "the request"),
        (entry(data=[300, 1]), None, "no inference request"),
        (entry(data=["a", "b"]), None, "no inference request"),
        (BINARY + b"x", str(len(BINARY)), "has a binary_data_size of 2, 1 bytes are there"),
        (BINARY + b"xyz", str(len(BINARY)), "1 bytes of the request belong to no input"),
        (entry(parameters={"binary_data_size": -1}), None, "has a binary_data_size of -1"),
        (entry(), "1000", "the body has"),
        (entry(shape="12"), None, "has the shape '12'"),
        (entry(shape=[1, 2.0]), None, "has the shape"),
        (entry(data=[1.9, 1]), None, "not all of the type UINT8"),
        (entry(data=["1", "1"]), None, "not all of the type UINT8"),
        (entry(data=[1 << 80, 1]), None, "not all of the type UINT8"),
        (entry(datatype="BYTES", shape=[1, 1], data=[1 << 40]), None, "BYTES in JSON are texts"),
        (entry(datatype="BYTES", shape=[1 << 20]), None, "at most 65536 elements"),
        (entry(parameters={"shared_memory_region": "r"}), None, "shared_memory_region, which is not served"),
        (json.dumps({"inputs": [ENTRY, ENTRY]}).encode(), None, "the input 'frame' comes twice"),
        (sent(id=7), None, "'id' of the request is to be a text, got 7"),
        (sent(outputs=[CLASSES]), None, "classification, which is"),
        (entry(parameters=3), None, "no inference request"),
        (b"[" * 100_000, None, "nested too deep"),
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused_with_a_reason(body: bytes, length: str | None, why: str) -> None:
    with pytest.raises(EdgesegError, match=why):
        read_request(body, length)


def test_a_request_may_lack_a_name_of_its_own() -> None:
    for told in ({}, {"id": None, "parameters": None, "outputs": None}):
        request = read_request(json.dumps({"inputs": [ENTRY], **told}).encode(), None)
        body, _ = write_answer("tiny", request, {})
        assert "id" not in json.loads(body)


def test_json_is_no_way_for_large_tensors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "text=1m,bytes=2m")
    with pytest.raises(UsageError, match="the request's JSON takes"):
        read_request(entry(data="x" * (3 << 19)), None)
    request = read_request(entry(), None)
    with pytest.raises(UsageError, match=r"numbers in JSON \(ask for binary data\)"):
        write_answer("tiny", request, {"labels": np.zeros((1, 200, 200), np.uint8)})


def test_elements_do_not_go_beyond_the_end() -> None:
    head = entry(datatype="BYTES", shape=[1, 1], parameters={"binary_data_size": 8})
    with pytest.raises(EdgesegError, match="goes beyond the request's end"):
        read_request(head + b"\xff\xff\x00\x00abcd", str(len(head)))


def test_the_metadata_name_the_tensors() -> None:
    told = metadata("tiny", labels_spec())
    assert [one["name"] for one in told["inputs"]] == ["frame", "picture"]
    assert told["outputs"] == [{"name": "labels", "datatype": "UINT8", "shape": [-1, -1, -1]}]
