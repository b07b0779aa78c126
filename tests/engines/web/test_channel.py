"""A page is given files and questions by a server that answers nobody else."""

from __future__ import annotations

import json
import struct
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator

import numpy as np
import pytest

from edgeseg.engines.web import channel as channels
from edgeseg.engines.web.channel import Channel
from edgeseg.errors import EngineError

LENGTH = struct.Struct(">I")


def read(name: str) -> bytes:
    if name != "index.html":
        raise EngineError(f"no {name}")
    return b"<p>page</p>"


@pytest.fixture
def channel() -> Iterator[Channel]:
    opened = Channel(read, {"proof.html": b"proof", "proof.js": b"1"})
    yield opened
    opened.close()


def get(channel: Channel, path: str, data: bytes | None = None) -> tuple[int, bytes, dict[str, str]]:
    root = channel.address("").partition("/-/")[0]
    try:
        with urllib.request.urlopen(f"{root}{path}", data) as answer:
            return answer.status, answer.read(), dict(answer.headers)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, b"", dict(error.headers)


def packed(header: object, payload: bytes = b"") -> bytes:
    text = json.dumps(header).encode()
    return LENGTH.pack(len(text)) + text + payload


def answer_once(channel: Channel, answer: bytes) -> list[bytes]:
    """Do what a page does, once; gives the question as soon as it has come."""
    asked: list[bytes] = []

    def page() -> None:
        asked.append(get(channel, f"/-/{channel.token}/next")[1])
        get(channel, f"/-/{channel.token}/answer", answer)

    threading.Thread(target=page).start()
    return asked


def alive() -> None:
    """Say that somebody may answer."""


def test_files_come_with_their_types_and_isolated(channel: Channel) -> None:
    status, body, headers = get(channel, "/")
    assert (status, body) == (200, b"<p>page</p>")
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert headers["Cross-Origin-Embedder-Policy"] == "require-corp"
    assert get(channel, "/-/proof.html")[1] == b"proof"
    assert get(channel, "/-/proof.js")[2]["Content-Type"] == "text/javascript"


@pytest.mark.parametrize("path", ["/other.js", "/../index.html", "/-/nothing", "/-/wrong/next"])
def test_nothing_else_is_there(channel: Channel, path: str) -> None:
    assert get(channel, path)[0] == 404


def test_who_lacks_the_token_cannot_answer(channel: Channel) -> None:
    assert get(channel, "/-/wrong/answer", packed({"arrays": []}))[0] == 404
    assert channel.signs == 0


def test_a_question_and_its_answer(channel: Channel) -> None:
    numbers = np.array([[1.5, -2.0]], np.float32)
    large = np.array([2**40], np.int64)
    arrays = [
        {"name": "scores", "dtype": "float32", "shape": [1, 2]},
        {"name": "none", "dtype": "uint8", "shape": [0, 4]},
        {"name": "ids", "dtype": "int64", "shape": [1]},
    ]
    answer = packed({"arrays": arrays, "seen": True}, numbers.tobytes() + large.tobytes())
    asked = answer_once(channel, answer)
    values, found = channel.ask("infer", b"pixels", {"masks": False}, alive)
    assert asked == [packed({"kind": "infer", "masks": False}, b"pixels")]
    assert values == {"seen": True}
    np.testing.assert_array_equal(found["scores"], numbers)
    np.testing.assert_array_equal(found["ids"], large)
    assert found["none"].shape == (0, 4)
    found["scores"][0, 0] = 1  # it belongs to who asked


def test_what_fails_in_the_page_is_told(channel: Channel) -> None:
    answer_once(channel, packed({"error": "no memory", "arrays": []}))
    assert channel.ask("infer", b"", {}, alive).values == {"error": "no memory"}


def test_a_page_that_falls_silent_is_given_up(channel: Channel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channels, "TICK_S", 0.01)
    monkeypatch.setattr(channels, "MOST_SILENT_TICKS", 5)
    with pytest.raises(EngineError, match=r"does not answer any more"):
        channel.ask("infer", b"", {}, alive)


def test_a_browser_that_ended_is_noticed_while_waiting(
    channel: Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def ended() -> None:
        raise EngineError("the browser ended")

    monkeypatch.setattr(channels, "TICK_S", 0.01)
    with pytest.raises(EngineError, match=r"the browser ended"):
        channel.ask("infer", b"", {}, ended)
