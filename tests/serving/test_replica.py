"""A replica answers requests that come together, each by its own results or its own error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tritonclient.http")

import tritonclient.http as client
from tritonclient.utils import np_to_triton_dtype

from edgeseg.errors import EngineError
from edgeseg.runtime import Segmenter
from edgeseg.serving.codings import packed, unpacked
from edgeseg.serving.replica import Body, EngineSettings, Replica
from tests.runtime.tiny_models import labels_engine


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return labels_engine(tmp_path_factory.mktemp("engine") / "engine", batch=3)


@pytest.fixture(scope="module")
def replica(engine: Path) -> Iterator[Replica]:
    opened = Replica("tiny", EngineSettings(engine))
    yield opened
    opened.close()


def body_of(frames: np.ndarray) -> Body:  # type: ignore[type-arg]
    tensor = client.InferInput("frame", frames.shape, np_to_triton_dtype(frames.dtype))
    tensor.set_data_from_numpy(frames)
    data, length = client.InferenceServerClient.generate_request_body([tensor])
    return Body(bytearray(data), str(length))  # as a door reads it


def test_requests_that_come_together_get_their_own_results(engine: Path, replica: Replica) -> None:
    numbers = np.random.default_rng(0)
    sent = [numbers.integers(0, 256, (count, 40 + 9 * count, 50, 3), np.uint8) for count in (1, 2, 3, 1)]
    with Segmenter.open(engine) as segment:
        expected = [np.stack([segment(frame).labels for frame in frames]) for frames in sent]
    answers = replica.answer([body_of(frames) for frames in sent])
    for answer, wanted in zip(answers, expected, strict=True):
        assert answer.status == 200
        length = int(answer.headers["Inference-Header-Content-Length"])
        found = client.InferenceServerClient.parse_response_body(answer.data, header_length=length)
        np.testing.assert_array_equal(found.as_numpy("labels"), wanted)


def test_a_request_that_is_wrong_is_refused_alone(replica: Replica) -> None:
    good = body_of(np.zeros((1, 40, 50, 3), np.uint8))
    bad, fine = replica.answer([Body(b"{}", None), good])
    assert (bad.status, fine.status) == (400, 200)
    assert "no inference request" in json.loads(bad.data)["error"]


@pytest.mark.parametrize("coding", ["gzip", "deflate"])
def test_frames_and_labels_may_travel_compressed(replica: Replica, coding: str) -> None:
    plain = body_of(np.zeros((1, 40, 50, 3), np.uint8))
    (expected,) = replica.answer([plain])
    (answer,) = replica.answer([Body(packed(bytes(plain.data), coding), plain.header_length, coding, coding)])
    assert answer.headers["Content-Encoding"] == coding
    assert unpacked(answer.data, coding) == expected.data
    assert len(answer.data) < len(expected.data) / 4


@pytest.mark.parametrize(
    "bad",
    [
        Body(b'{"inputs":[{"name":"picture","datatype":"BYTES","shape":[1,1],"data":[1099511627776]}]}'),
        Body(b'{"inputs":[{"name":"frame","datatype":"UINT8","shape":[1,1,1,3],"data":[1,2,300]}]}'),
        Body(b'{"inputs":[],"outputs":[{"name":"other"}]}'),
        Body(b"\x1f\x8b", None, "gzip"),
        Body(b'{"inputs":[{"name":"frame"}]}', "many"),
    ],
)
def test_what_one_client_sends_wrong_is_no_other_ones_matter(replica: Replica, bad: Body) -> None:
    """Also where it would take a terabyte, or raises what nobody thought of."""
    good = body_of(np.zeros((1, 40, 50, 3), np.uint8))
    first, refused, last = replica.answer([good, bad, good])
    assert (first.status, refused.status, last.status) == (200, 400, 200)
    assert first.data == last.data
    assert json.loads(refused.data)["error"]


def test_a_number_that_is_none_is_its_own_clients_error(tmp_path: Path) -> None:
    engine = labels_engine(tmp_path / "engine", batch=3, channel_order="stored", dtype="float32")
    frames = np.zeros((1, 40, 50, 3), np.float32)
    broken = frames.copy()
    broken[0, 0, 0, 0] = np.nan
    opened = Replica("tiny", EngineSettings(engine))
    good, refused, last = opened.answer([body_of(frames), body_of(broken), body_of(frames)])
    opened.close()
    assert (good.status, refused.status, last.status) == (200, 400, 200)
    assert "no finite number" in json.loads(refused.data)["error"]


def test_an_engine_that_fails_is_said_to_each(engine: Path) -> None:
    """And the replica goes on to answer."""
    closed = Replica("tiny", EngineSettings(engine))
    closed.close()
    good = body_of(np.zeros((1, 40, 50, 3), np.uint8))
    refused, failed, _ = closed.answer([Body(b"{}"), good, good])
    closed.check_health()
    closed.answer([Body(b"{}")])
    closed.answer([good])
    with pytest.raises(EngineError, match="failed at 3 requests one after another"):
        closed.check_health()  # and Ray starts it again
    assert (refused.status, failed.status) == (400, 500)
    assert "closed" in json.loads(failed.data)["error"]


def test_many_frames_of_one_request_go_through_the_batch_one_batch_at_a_time(
    engine: Path, replica: Replica
) -> None:
    frames = np.random.default_rng(1).integers(0, 256, (64, 20, 30, 3), np.uint8)
    (answer, beside) = replica.answer([body_of(frames), body_of(frames[:1])])
    length = int(answer.headers["Inference-Header-Content-Length"])
    found = client.InferenceServerClient.parse_response_body(answer.data, header_length=length)
    with Segmenter.open(engine) as segment:
        np.testing.assert_array_equal(
            found.as_numpy("labels"), np.stack([segment(frame).labels for frame in frames])
        )
    assert beside.status == 200
