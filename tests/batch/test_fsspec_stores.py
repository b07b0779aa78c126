"""Of what fsspec opens, such as HTTP, folders are listed; what is not given now is not taken for broken."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("pyarrow")
pytest.importorskip("aiohttp")

from edgeseg.batch import BatchSettings, plan_batch, run_batch
from edgeseg.batch.found import find
from edgeseg.batch.work import Worker
from edgeseg.errors import SourceDownError, SourceError
from tests.batch.archives import rows_of, samples, write_pictures, write_tar
from tests.batch.stores import local_rows


class Server(ThreadingHTTPServer):
    """A folder behind HTTP.

    Attributes:
        refused: ends of paths that are listed, and not given.
    """

    daemon_threads = True

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.refused: tuple[str, ...] = ()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, 0), partial(Handler, directory=str(folder)))
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        self.address = f"http://{f'[{host}]' if ':' in host else host}:{self.server_port}"

    def end(self) -> None:
        """Answer no more."""
        self.shutdown()
        self._thread.join()
        self.server_close()


class Handler(SimpleHTTPRequestHandler):
    """Gives files, and pages of links for folders."""

    server: Server

    def do_GET(self) -> None:
        if self.path.endswith(self.server.refused or ("?",)):
            self.send_error(403)
            return
        super().do_GET()

    def log_message(self, *arguments: Any) -> None:
        pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_pictures(tmp_path / "in" / "pictures", 3)
    write_tar(tmp_path / "in" / "a.tar", samples(3))
    (tmp_path / "in" / "b.png").write_bytes(b"no picture")
    (tmp_path / "in" / "readme.txt").write_text("to be left out")
    return tmp_path / "in"


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    found = Server(folder.parent)
    yield found
    found.end()


@pytest.mark.parametrize("pattern", ["in", "in/", "in/**", "*"])
def test_a_folder_is_searched_as_one_of_this_machine(
    settings: BatchSettings, server: Server, folder: Path, tmp_path: Path, pattern: str
) -> None:
    report = run_batch(settings, [f"{server.address}/{pattern}"], tmp_path / "out", workers=1)
    assert (report.frames, report.errors, report.left_out) == (6, 1, 1)
    names = {row["source"].removeprefix("in/") for row in rows_of(tmp_path / "out")}
    assert names == {row["source"] for row in local_rows(settings, folder, tmp_path / "local")}


def test_a_file_that_is_not_given_is_a_row_until_it_is(
    settings: BatchSettings, server: Server, folder: Path, tmp_path: Path
) -> None:
    server.refused = ("/2.png", "/a.tar")
    report = run_batch(settings, [f"{server.address}/in"], tmp_path / "out", workers=1)
    assert (report.frames, report.errors) == (2, 3)
    told = {row["source"]: row["error"] for row in rows_of(tmp_path / "out") if row["error"]}
    for name in ("pictures/2.png", "a.tar"):
        assert told[name].startswith(f"cannot read {name}: 403")
    server.refused = ()
    report = run_batch(settings, [f"{server.address}/in"], tmp_path / "out", workers=1)
    assert (report.frames, report.errors) == (6, 1)
    assert rows_of(tmp_path / "out") == local_rows(settings, folder, tmp_path / "local")


def test_a_server_that_ends_ends_the_run_and_its_files_have_no_rows(
    settings: BatchSettings, folder: Path, tmp_path: Path
) -> None:
    server = Server(folder)
    planned, parts = plan_batch(settings, [server.address], tmp_path / "out")
    server.end()
    with Worker(settings, parts) as worker:
        for piece in planned.missing:
            with pytest.raises(SourceDownError, match="cannot be read now: Cannot connect to host"):
                worker.do(piece)
    assert parts.there() == frozenset()


def test_what_cannot_be_asked_for_is_told_from_what_is_not_there(
    settings: BatchSettings, folder: Path, tmp_path: Path
) -> None:
    server = Server(folder)
    with pytest.raises(SourceError, match=r"/none\.png finds no file; is it in quotes"):
        plan_batch(settings, [f"{server.address}/none.png"], tmp_path / "out")
    with pytest.raises(
        SourceError, match=r"/\*\.txt finds no picture, no video and no shard \(by their names"
    ):
        plan_batch(settings, [f"{server.address}/*.txt"], tmp_path / "out")
    server.end()
    with pytest.raises(SourceError, match=r"cannot list http://127.0.0.1:\d+/b\.png: Cannot connect to host"):
        plan_batch(settings, [f"{server.address}/b.png"], tmp_path / "out")


def test_a_host_in_brackets_is_no_pattern(folder: Path) -> None:
    try:
        server = Server(folder.parent, "::1")
    except OSError:
        pytest.skip("the machine has no IPv6")
    pictures = [f"{number}.png" for number in range(3)]
    for pattern, names in (("pictures", pictures), ("pictures/[01].png", pictures[:2]), ("b.png", ["b.png"])):
        assert [file.name for file in find([f"{server.address}/in/{pattern}"]).files] == names
    server.end()
