"""What runs on the device reads what it was given, writes into one folder, and is alone."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

from tools.arm64.confined import Closed


def _command() -> list[str]:
    made = Path("/made")
    return Closed(made / "root", made / "packages", made / "data", made / "out")._command()


def test_one_folder_can_be_written() -> None:
    words = _command()
    written = [words[at + 1 : at + 3] for at, word in enumerate(words) if word == "--bind"]
    read = [words[at + 1 : at + 3] for at, word in enumerate(words) if word == "--ro-bind"]
    assert written == [["/made/out", "/out"]]
    assert ["/made/root", "/"] in read
    assert ["/made/data", "/data"] in read
    assert words.count("--tmpfs") == 1


def test_root_is_there_before_what_lies_in_it() -> None:
    words = _command()
    places = [words[at + 2] for at, word in enumerate(words) if word in ("--ro-bind", "--bind")]
    assert places[0] == "/"


def test_there_is_no_network_no_home_and_one_core() -> None:
    words = _command()
    assert "--unshare-all" in words
    assert "--share-net" not in words
    assert "--clearenv" in words
    variables = {words[at + 1] for at, word in enumerate(words) if word == "--setenv"}
    assert variables == {"PATH", "PYTHONPATH", "QEMU_CPU"}
    cores = [other for word, other in pairwise(words) if word == "--cpu-list"]
    assert len(cores) == 1
    assert cores[0].isdigit()
