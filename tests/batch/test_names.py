"""Names that are no UTF-8 are escaped, so that a table can hold them, and can be had back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pyarrow")

from edgeseg.batch import BatchSettings, run_batch
from edgeseg.batch.names import as_text, bytes_of_name
from tests.batch.archives import picture, rows_of, write_tar, write_video


def test_bytes_become_hexadecimal() -> None:
    assert as_text(os.fsdecode(b"caf\xe9.png")) == r"caf\xe9.png"
    assert as_text("café 1.png") == "café 1.png"
    assert as_text(r"C:\x\1.png") == r"C:\x\1.png"
    assert as_text(r"caf\xe9.png") == r"caf\x5cxe9.png"


@given(st.binary() | st.text(alphabet="\\xe9a").map(str.encode))
def test_the_bytes_of_a_name_can_be_had_back(name: bytes) -> None:
    text = as_text(name.decode(errors="surrogateescape"))
    assert bytes_of_name(text) == name
    text.encode()


def test_files_and_samples_of_any_name_have_rows(settings: BatchSettings, tmp_path: Path) -> None:
    archive = tmp_path / "in"
    write_video(archive / "film.mp4", frames=3, key_every=3)
    (archive / "film.mp4").rename(archive / os.fsdecode(b"film\xff.mp4"))
    (archive / os.fsdecode(b"caf\xe9.png")).write_bytes(picture(1))
    (archive / os.fsdecode(b"broken\xe9.png")).write_bytes(b"no picture")
    (archive / "gone.png").symlink_to("/nowhere")
    (archive / "round.png").symlink_to("round.png")
    write_tar(archive / "a.tar", {os.fsdecode(b"caf\xe9.png"): picture(1)})
    report = run_batch(
        BatchSettings(settings.engine, label_maps=True), [str(archive)], tmp_path / "out", workers=1
    )
    assert (report.frames, report.errors) == (5, 3)
    rows = rows_of(tmp_path / "out")
    assert [row["source"] for row in rows] == ["a.tar", r"broken\xe9.png", r"caf\xe9.png"] + 3 * [
        r"film\xff.mp4"
    ] + ["gone.png", "round.png"]
    assert rows[-2]["error"] == "gone.png is a link to what is not there"
    assert rows[-1]["error"] == "cannot read round.png: Too many levels of symbolic links"
    assert rows[0]["sample"] == r"caf\xe9.png"
    assert rows[1]["error"].startswith(r"broken\xe9.png is damaged")
    assert rows[0]["objects"] == rows[2]["objects"]
