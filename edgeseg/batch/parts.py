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
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from edgeseg.batch.piece import Piece
from edgeseg.batch.places import Place, make, names_in, opened, remove, write
from edgeseg.batch.rows import EXTRA, SCHEMA_KEY, SOURCES_KEY, Row, error_row, schema, times_schema
from edgeseg.batch.settings import RESULTS_VERSION
from edgeseg.errors import SinkError
from edgeseg.extras import require
from edgeseg.files import sweep

if TYPE_CHECKING:
    import pyarrow

PARTS, TIMES, LABELS, OVERLAYS, RETRY = "parts", "times", "labels", "overlays", "retry"
FOLDERS = (PARTS, TIMES, LABELS, OVERLAYS, RETRY)  # of results, which lie nowhere else
SUFFIX = ".parquet"


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
            write(self._mark(path.name), passing.encode(errors="replace"))
        sources = [one.name for one in piece.files]
        metadata = {SCHEMA_KEY: str(RESULTS_VERSION).encode(), SOURCES_KEY: json.dumps(sources).encode()}
        write(self.folder / TIMES / path.name, _parquet(times, times_schema()))
        write(path, _parquet(rows, schema().with_metadata(metadata)))

    def settle(self, piece: Piece) -> None:
        """Forget that a piece was to be done again. Raises SinkError."""
        remove(self._mark(self.path(piece).name))

    def put_error(self, piece: Piece, error: str) -> None:
        """Write that a piece has no results, and why: a row a file; the next run tries it again.

        Raises:
            SinkError: if it cannot be written.
        """
        self.put(piece, [error_row(one.name, error) for one in piece.files], [], passing=error)

    def remove_stale(self, pieces: Collection[Piece]) -> int:
        """Remove parts that hold other results of these pieces' files: changed ones, or of another engine.

        Returns:
            How many.

        Raises:
            SinkError: if one cannot be removed, or is no part of a batch.
        """
        stale = self.stale(pieces, self.there())
        for name in stale:
            for kind in (PARTS, TIMES):
                remove(self.folder / kind / name)
            remove(self._mark(name))
        return len(stale)

    def stale(self, pieces: Collection[Piece], there: Collection[str]) -> Sequence[str]:
        """Name the parts, of those there, that `remove_stale` removes. Raises SinkError."""
        planned = {self.path(piece).name for piece in pieces}
        sources = {one.name for piece in pieces for one in piece.files}
        return [name for name in there if name not in planned and not sources.isdisjoint(self._sources(name))]

    def _mark(self, name: str) -> Place:
        return self.folder / RETRY / name.removesuffix(SUFFIX)

    def _sources(self, name: str) -> list[str]:
        path = self.folder / PARTS / name
        parquet = require("pyarrow.parquet", EXTRA)
        try:
            with opened(path) as file:
                metadata = parquet.read_schema(file).metadata or {}
        except FileNotFoundError:  # a run that goes on meanwhile has removed it
            return []
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
