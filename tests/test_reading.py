"""Only regular files are read, each once, and whatever is wrong with one is one error of its kind."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from edgeseg.errors import EngineError, SpecError, one_line, shown
from edgeseg.reading import hash_of, open_regular, parse_json, read_bytes, read_text, reading


def _socket(path: Path) -> None:
    socket.socket(socket.AF_UNIX).bind(str(path))


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (os.mkfifo, "a pipe"),
        (_socket, "a socket"),
        (lambda path: path.symlink_to("/dev/zero"), "a device"),
        (os.mkdir, "directory"),
    ],
)
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_what_is_no_file_is_refused_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None], kind: str
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    make(Path("it"))
    with (
        pytest.raises(EngineError, match=f"it cannot be read: .*{kind}"),
        reading("it", EngineError, what="", fix=""),
    ):
        read_bytes(Path("it"))


def test_links_are_followed_only_where_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to("file")
    assert read_bytes(tmp_path / "link") == b"content"
    with pytest.raises(OSError, match="a link"):
        open_regular(tmp_path / "link", follow=False)


def test_what_was_hashed_is_read_on_though_another_takes_its_place(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"first")
    with open_regular(path) as file:
        digest = hash_of(file)
        (tmp_path / "other").write_bytes(b"second")
        (tmp_path / "other").replace(path)
        assert file.read() == b"first"
        file.seek(0)
        assert hash_of(file) == digest


@pytest.mark.parametrize(
    "problem",
    [
        RecursionError("deep"),
        OverflowError("large"),
        IndexError("7"),
        MemoryError(),
        UnicodeDecodeError("utf-8", b"", 0, 1, "no"),
    ],
)
def test_whatever_a_parser_raises_is_one_line_of_the_files_kind(problem: Exception) -> None:
    with (
        pytest.raises(EngineError) as caught,
        reading("x.json", EngineError, what="a manifest", fix="build it"),
    ):
        raise problem
    assert str(caught.value).startswith("x.json is damaged or not a manifest (")
    assert str(caught.value).endswith("); build it")


@pytest.mark.parametrize("text", ["[" * 100_000, "NaN", '{"a": Infinity}', "{", '"\\ud800', "1" * 5000])
def test_json_of_any_kind_is_read_or_refused_as_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - each says something else
        parse_json(text, SpecError, "the spec")


def test_a_text_of_windows_begins_with_its_first_letter(tmp_path: Path) -> None:
    (tmp_path / "names.txt").write_text("straße\n", encoding="utf-8-sig")
    assert read_text(tmp_path / "names.txt", EngineError) == "straße\n"


def test_a_text_is_as_long_as_texts_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "huge"
    with path.open("wb") as file:
        file.truncate(1 << 40)  # takes no room
    with pytest.raises(EngineError, match=r"huge takes .* raise the limit: edgeseg --limit text=1048576M"):
        read_text(path, EngineError)


def test_messages_are_one_short_line_without_control_characters() -> None:
    assert (
        str(EngineError("red \x1b[31m and\ntwo \u202e lines \udc80"))
        == "red \\x1b[31m and two \\u202e lines \\udc80"
    )
    long = one_line("x" * 10**6 + " fix it")
    assert len(long) < 2000
    assert long.endswith("fix it")
    assert len(shown(["y" * 10**6] * 1000)) < 1000
