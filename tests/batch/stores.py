"""Small archives in stores, and what is read of their results."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgeseg.batch import BatchSettings, run_batch
from edgeseg.batch.parts import PARTS
from edgeseg.batch.places import Stored, listed, opened, write
from tests.batch.archives import bytes_of, samples, write_parquet, write_pictures, write_tar, write_video


def archive(folder: Path) -> Path:
    """Write one file of each kind, and two that are broken."""
    write_pictures(folder / "pictures", 20)
    write_video(folder / "film.mp4", frames=12, key_every=4)
    write_tar(folder / "shards" / "a.tar", samples(5))
    write_parquet(folder / "shards" / "b.parquet", list(samples(3).values())[::2])
    (folder / "broken.png").write_bytes(b"no picture")
    (folder / "broken.tar").write_bytes(b"no shard")
    return folder


def upload(folder: Path, target: Stored) -> None:
    """Write all files of a folder into a store, by the same names."""
    for path in folder.rglob("*"):
        if path.is_file():
            write(target / path.relative_to(folder).as_posix(), path.read_bytes())


def download(source: Stored) -> dict[str, bytes]:
    """Read all results of a store that do not tell times, as `bytes_of` reads a folder's."""
    found = {}
    for place, _, _ in listed(source):
        name = place.path.removeprefix(f"{source.path}/")
        if not name.startswith("times/"):
            with opened(place) as file:
                found[name] = file.read()
    return found


def local_rows(settings: BatchSettings, folder: Path, output: Path) -> list[dict[str, Any]]:
    """Segment the same archive from a folder; gives rows without their order."""
    run_batch(settings, [str(folder)], output, workers=1)
    return sorted_rows(bytes_of(output))


def sorted_rows(files: Mapping[str, bytes]) -> list[dict[str, Any]]:
    """Read the rows of results; times of files, which name parts, are a store's own."""
    import pyarrow
    from pyarrow import parquet

    tables = [
        parquet.read_table(pyarrow.BufferReader(data))
        for name, data in files.items()
        if name.startswith(PARTS)
    ]
    rows = [row for table in tables for row in table.to_pylist()]
    return sorted(rows, key=lambda row: (row["source"], -1 if row["index"] is None else row["index"]))
