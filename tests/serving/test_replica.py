"""A replica answers requests that come together, each by its own results or its own error."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tritonclient.http")

import tritonclient.http as client

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
    tensor = client.InferInput("frame", frames.shape, "UINT8")
    tensor.set_data_from_numpy(frames)
    data, length = client.InferenceServerClient.generate_request_body([tensor])
    return Body(bytes(data), str(length))


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
    (answer,) = replica.answer([Body(packed(plain.data, coding), plain.header_length, coding, coding)])
    assert answer.headers["Content-Encoding"] == coding
    assert unpacked(answer.data, coding) == expected.data
    assert len(answer.data) < len(expected.data) / 4
