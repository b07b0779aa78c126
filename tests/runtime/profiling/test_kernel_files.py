"""Small files are read as far as they make sense, and never fail."""

from __future__ import annotations

from pathlib import Path

from edgeseg.runtime.profiling.kernel_files import fields_of, number_of, text_of


def test_what_is_missing_or_odd_is_none(tmp_path: Path) -> None:
    path = tmp_path / "value"
    assert text_of(path) is None
    assert number_of(path) is None
    assert fields_of(path) == {}
    assert text_of(tmp_path) is None  # a folder
    path.write_bytes(b"\xff\xfe\n")
    assert number_of(path) is None
    path.write_text("\n")
    assert text_of(path) is None


def test_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "value"
    path.write_text("0x50005\n")
    assert number_of(path, base=16) == 0x50005
    path.write_text("-1\n")
    assert number_of(path) == -1
    path.write_text("nr_periods 12\nnr_throttled 3\nsome avg10=0.00 total=5\n")
    assert fields_of(path) == {"nr_periods": 12, "nr_throttled": 3}
