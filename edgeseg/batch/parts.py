"""Keep the results of pieces as parts that are whole or absent, and know which are there.

A folder of results holds `parts/KEY.parquet`, the rows of a piece each, which together are one table;
`times/KEY.parquet`, how long its frames took, which no two runs measure alike; and, where they are asked for,
label maps and overlays by the names of their files. A part is named by all that it depends on, and put last:
what is there is whole, and is what would be computed now.
"""

from __future__ import annotations

import io
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.batch.piece import Piece
from edgeseg.batch.rows import EXTRA, SCHEMA_KEY, SOURCES_KEY, Row, error_row, schema, times_schema
from edgeseg.batch.settings import RESULTS_VERSION
from edgeseg.errors import SinkError
from edgeseg.extras import require
from edgeseg.files import make_folder, unwritable, write_whole

if TYPE_CHECKING:
    import pyarrow

PARTS, TIMES, LABELS, OVERLAYS = "parts", "times", "labels", "overlays"
SUFFIX = ".parquet"


@dataclass(frozen=True)
class Parts:
    """The results in a folder.

    Attributes:
        folder: of the results.
        digest: of the engine and how it is used; see `BatchSettings.digest`.
    """

    folder: Path
    digest: str

    def path(self, piece: Piece) -> Path:
        """Say where a piece's rows are, or will be."""
        return self.folder / PARTS / f"{piece.key(self.digest)}{SUFFIX}"

    def make_folders(self) -> None:
        """Make what parts lie in. Raises SinkError."""
        for name in (PARTS, TIMES):
            make_folder(self.folder / name)

    def there(self) -> frozenset[str]:
        """Name the parts that are there."""
        return frozenset(path.name for path in (self.folder / PARTS).glob(f"*{SUFFIX}"))

    def put(self, piece: Piece, rows: Sequence[Row], times: Sequence[Row]) -> None:
        """Write a piece's results, the rows last. Raises SinkError."""
        path = self.path(piece)
        sources = [one.name for one in piece.files]
        metadata = {SCHEMA_KEY: str(RESULTS_VERSION).encode(), SOURCES_KEY: json.dumps(sources).encode()}
        write_whole(self.folder / TIMES / path.name, _parquet(times, times_schema()))
        write_whole(path, _parquet(rows, schema().with_metadata(metadata)))

    def put_error(self, piece: Piece, error: str) -> None:
        """Write that a piece has no results, and why: a row a file. Raises SinkError."""
        self.put(piece, [error_row(one.name, error) for one in piece.files], [])

    def remove_stale(self, pieces: Collection[Piece]) -> int:
        """Remove parts that hold other results of these pieces' files: changed ones, or of another engine.

        Returns:
            How many.

        Raises:
            SinkError: if one cannot be removed, or is no part of a batch.
        """
        planned = {self.path(piece).name for piece in pieces}
        sources = {one.name for piece in pieces for one in piece.files}
        stale = [name for name in self.there() - planned if not sources.isdisjoint(self._sources(name))]
        for name in stale:
            for kind in (PARTS, TIMES):
                path = self.folder / kind / name
                try:
                    path.unlink(missing_ok=True)
                except OSError as error:
                    raise unwritable(path, error) from error
        return len(stale)

    def _sources(self, name: str) -> list[str]:
        path = self.folder / PARTS / name
        parquet = require("pyarrow.parquet", EXTRA)
        try:
            metadata = parquet.read_schema(path).metadata or {}
        except (OSError, ValueError) as error:
            raise SinkError(f"{path} is no part of a batch's results; choose another folder") from error
        if SOURCES_KEY not in metadata:
            raise SinkError(f"{path} was not written by a batch; choose another folder")
        return list(json.loads(metadata[SOURCES_KEY]))


def _parquet(rows: Sequence[Row], wanted: pyarrow.Schema) -> bytes:
    """Write rows as Parquet, the same bytes for the same rows."""
    pa, parquet = require("pyarrow", EXTRA), require("pyarrow.parquet", EXTRA)
    names: list[str] = wanted.names
    columns: dict[str, Any] = {name: [row.get(name) for row in rows] for name in names}
    data = io.BytesIO()
    parquet.write_table(pa.Table.from_pydict(columns, schema=wanted), data, compression="zstd")
    return data.getvalue()
