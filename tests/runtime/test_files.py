from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.errors import SinkError
from edgeseg.runtime.files import check_whole, write_whole


def test_a_file_is_whole_or_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_half(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "kept.json", b"old")
    monkeypatch.setattr(Path, "write_bytes", write_half)
    for name in ("kept.json", "new.json"):
        with pytest.raises(SinkError, match="No space left on device"):
            write_whole(tmp_path / name, b"newer")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("kept.json", b"old")]


def test_a_link_stays_one_and_a_device_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "target.json").write_bytes(b"old")
    for name, target in [("link.json", tmp_path / "target.json"), ("null.json", Path("/dev/null"))]:
        (tmp_path / name).symlink_to(target)
        check_whole(tmp_path / name)
        write_whole(tmp_path / name, b"new")
        assert (tmp_path / name).readlink() == target
    assert (tmp_path / "target.json").read_bytes() == b"new"
    assert Path("/dev/null").is_char_device()


def test_looking_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_bytes(b"old")
    for name in ("old.json", "new.json"):
        check_whole(tmp_path / name)
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("old.json", b"old")]
    with pytest.raises(SinkError, match=r"cannot write .*(Not a directory|File exists)"):
        check_whole(tmp_path / "old.json" / "below.json")
