"""A file of a store that has changed is told from what it was, by whatever the store tells of it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, plan_batch
from edgeseg.batch.fsspec_stores import files_of
from edgeseg.batch.places import Stored, listed, place_of, write
from edgeseg.batch.stamps import stamp_of
from edgeseg.errors import SourceError


class Served(BaseHTTPRequestHandler):
    """Files of one size, each with the headers that `headers` has for it."""

    headers_of: dict[str, dict[str, str]]

    def do_HEAD(self) -> None:
        if (told := self.headers_of.get(self.path)) is None:
            self.send_error(404)
            return
        if "refused" in told:
            self.send_error(403)
            return
        self.send_response(200)
        for name, value in {"Content-Length": "100", **told}.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self) -> None:
        self.do_HEAD()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def address() -> Iterator[str]:
    Served.headers_of = {}
    with ThreadingHTTPServer(("127.0.0.1", 0), Served) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.parametrize("header", ["ETag", "Content-MD5", "Last-Modified"])
def test_a_file_behind_http_that_changes_is_done_anew(
    settings: BatchSettings, address: str, tmp_path: Any, header: str
) -> None:
    pytest.importorskip("aiohttp")
    keys = []
    for value in ("1", "1", "2"):
        Served.headers_of["/a.png"] = {header: value}
        planned, parts = plan_batch(settings, [f"{address}/a.png"], tmp_path)
        keys.append(parts.path(planned.pieces[0]))
        assert planned.undated == 0
    assert keys[0] == keys[1] != keys[2]
    Served.headers_of["/b.png"] = {}
    planned, _ = plan_batch(settings, [f"{address}/a.png", f"{address}/b.png"], tmp_path)
    assert planned.undated == 1
    Served.headers_of["/b.png"] = {"refused": ""}
    with pytest.raises(SourceError, match=r"cannot list http://[^ ]*/b.png: 403"):
        plan_batch(settings, [f"{address}/b.png"], tmp_path)


def test_times_are_taken_as_they_are_and_else_what_the_content_tells() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    assert stamp_of({"mtime": moment, "ETag": "a"}) == stamp_of({"mtime": moment.timestamp()})
    assert stamp_of({"mtime": moment}) == 1767323045 * 10**9
    assert stamp_of({"etag": "a", "last_modified": 1}) == stamp_of({"ETag": "a", "last_modified": 2})
    assert stamp_of({"LastModified": moment}) not in (0, stamp_of({"LastModified": moment.replace(second=6)}))
    assert stamp_of({"name": "a", "size": 3, "type": "file", "ETag": None}) == 0


def test_a_file_that_is_written_again_with_the_same_size_has_another_stamp(tmp_path: Any) -> None:
    store = place_of(f"memory://{tmp_path.name}")
    assert isinstance(store, Stored)
    write(store / "a" / "1.png", b"one")
    ((_, size, before),) = listed(store)
    write(store / "a" / "1.png", b"two")
    ((place, _, after),) = listed(store / "a")
    assert (place.name, size) == ("1.png", 3)
    assert 0 != before != after != 0


class Bare:
    """A store whose listing tells names alone."""

    def __init__(self, **known: str) -> None:
        self.known = known
        self.asked: list[str] = []

    def invalidate_cache(self) -> None:
        pass

    def find(self, path: str, *, detail: bool) -> dict[str, dict[str, Any]]:
        return {f"{path}/{number}": {"type": "file", "size": None} for number in range(3)}

    def info(self, path: str) -> dict[str, Any]:
        if path == "in":
            return {"type": "directory"}
        self.asked.append(path)
        return {"type": "file", "size": 7, **self.known}


def test_a_store_that_lists_names_alone_is_asked_for_each_file_if_that_helps() -> None:
    assert [size for _, size, stamp in files_of(Bare(etag="x"), "in") if stamp] == [7, 7, 7]
    silent = Bare()
    assert [stamp for _, _, stamp in files_of(silent, "in")] == [0, 0, 0]
    assert len(silent.asked) == 1
