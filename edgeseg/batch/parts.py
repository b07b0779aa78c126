"""Keep the results of pieces as parts that are whole or absent, and know which are there.

A folder of results holds `parts/KEY.parquet`, the rows of a piece each, which together are one table;
`times/KEY.parquet`, how long its frames took, which no two runs measure alike; and, where they are asked for,
label maps and overlays by the names of their files. A part is named by all that it depends on, and put last:
what is there is whole, and is what would be computed now. Where a row blames what is not in its file, such as
a process that died, a full disk or a limit, `retry/KEY` says so, and the next run does the part again.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.batch.piece import KEY_DIGITS, Piece
from edgeseg.batch.places import Place, ends_with, make, names_in, remove, write
from edgeseg.batch.rows import EXTRA, SCHEMA_KEY, SOURCES_KEY, Row, error_row, schema, times_schema
from edgeseg.batch.settings import RESULTS_VERSION
from edgeseg.extras import require
from edgeseg.files import sweep

if TYPE_CHECKING:
    import pyarrow

PARTS, TIMES, LABELS, OVERLAYS, RETRY = "parts", "times", "labels", "overlays", "retry"
FOLDERS = (PARTS, TIMES, LABELS, OVERLAYS, RETRY)  # of results, which lie nowhere else
SUFFIX = ".parquet"
PART_NAME = rf"[0-9a-f]{{{KEY_DIGITS}}}{re.escape(SUFFIX)}"  # as a pattern
MAGIC = b"PAR1"  # with which a Parquet file ends


@dataclass(frozen=True)
class Parts:
    """The results in a folder, of this machine or of a store.

    Attributes:
        folder: of the results.
        digest: of the engine and how it is used; see `BatchSettings.digest`.
    """

    folder: Place
    digest: str

    def path(self, piece: Piece) -> Place:
        """Say where a piece's rows are, or will be."""
        return self.folder / PARTS / f"{piece.key(self.digest)}{SUFFIX}"

    def make_folders(self) -> None:
        """Make what parts lie in, and remove what killed processes left half written. Raises SinkError."""
        for name in (PARTS, TIMES, RETRY):
            make(folder := self.folder / name)
            if isinstance(folder, Path):
                sweep(folder)

    def there(self) -> frozenset[str]:
        """Name the parts that are there."""
        return names_in(self.folder / PARTS, SUFFIX)

    def is_whole(self, name: str) -> bool:
        """Tell whether a part has its end; one that was written as the power went may have none.

        What lies in a store is whole.
        """
        path = self.folder / PARTS / name
        return not isinstance(path, Path) or ends_with(path, MAGIC)

    def done(self, there: Collection[str]) -> frozenset[str]:
        """Name the parts, of those there, that are whole and not to be done again."""
        to_retry = self.to_retry()
        return frozenset(name for name in there if name not in to_retry and self.is_whole(name))

    def to_retry(self) -> frozenset[str]:
        """Name the parts that are to be done again, though they are there."""
        return frozenset(f"{name}{SUFFIX}" for name in names_in(self.folder / RETRY, ""))

    def put(self, piece: Piece, rows: Sequence[Row], times: Sequence[Row], passing: str = "") -> None:
        """Write a piece's results, the rows last.

        Args:
            passing: why the next run is to do it again; empty where the files themselves say all.

        Raises:
            SinkError: if they cannot be written.
        """
        path = self.path(piece)
        if passing:
            write(self.mark(path.name), passing.encode(errors="replace"))
        sources = [one.name for one in piece.files]
        metadata = {SCHEMA_KEY: str(RESULTS_VERSION).encode(), SOURCES_KEY: json.dumps(sources).encode()}
        write(self.folder / TIMES / path.name, _parquet(times, times_schema()), lasting=True)
        write(path, _parquet(rows, schema().with_metadata(metadata)), lasting=True)

    def settle(self, piece: Piece) -> None:
        """Forget that a piece was to be done again. Raises SinkError."""
        remove(self.mark(self.path(piece).name))

    def put_error(self, piece: Piece, error: str) -> None:
        """Write that a piece has no results, and why: a row a file; the next run tries it again.

        Raises:
            SinkError: if it cannot be written.
        """
        self.put(piece, [error_row(one.name, error) for one in piece.files], [], passing=error)

    def mark(self, name: str) -> Place:
        """Say where it is told that a part is to be done again."""
        return self.folder / RETRY / name.removesuffix(SUFFIX)


def _parquet(rows: Sequence[Row], wanted: pyarrow.Schema) -> bytes:
    """Write rows as Parquet, the same bytes for the same rows."""
    pa, parquet = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
    names: list[str] = wanted.names
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    data = io.BytesIO()
    parquet.write_table(pa.Table.from_pydict(columns, schema=wanted), data, compression="zstd")
    return data.getvalue()
