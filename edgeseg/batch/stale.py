"""Take out of results what a run does anew, and keep what files that are not of its archive had.

A part that holds earlier results of the archive's files is removed; one that holds results of other files,
too, which nobody may be able to make again, is cut down to these. What is left of a part names that part,
which is removed last: where both are there, a process was killed in between.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from edgeseg.batch.at_once import at_once
from edgeseg.batch.parts import PART_NAME, PARTS, SUFFIX, TIMES, Parts
from edgeseg.batch.piece import KEY_DIGITS, Piece
from edgeseg.batch.places import Place, opened, remove, write
from edgeseg.batch.rows import EXTRA, SOURCES_KEY
from edgeseg.errors import SinkError
from edgeseg.extras import require

CUT_KEY = b"edgeseg.cut"  # of a table's metadata: the part that it is what is left of


@dataclass(frozen=True)
class Stale:
    """What of the results does not hold any more.

    Attributes:
        removed: names of parts.
        cut: names of parts, each with the files whose results are taken out of it.
        kept: files, not of the archive, whose results stay.
        seen: names of all parts that were there.
    """

    removed: Sequence[str] = ()
    cut: Mapping[str, frozenset[str]] = field(default_factory=dict)
    kept: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.removed) + len(self.cut)


NOTHING_SEEN = Stale()


@dataclass(frozen=True)
class _Head:
    """Of which files a part holds results, and of which other part it is what was left."""

    name: str
    sources: frozenset[str] = frozenset()
    cut: str | None = None
    is_whole: bool = True


def find_stale(
    parts: Parts, pieces: Collection[Piece], there: Collection[str], seen: Collection[str] = ()
) -> Stale:
    """Find what `remove_stale` takes out.

    Args:
        pieces: all of the archive.
        there: names of parts.
        seen: those that need not be looked at.

    Raises:
        SinkError: if one of them is no part of a batch.
    """
    planned = {parts.path(piece).name for piece in pieces}
    sources = frozenset(one.name for piece in pieces for one in piece.files)
    unknown = sorted(set(there).difference(planned, seen))
    removed, cut, kept = [], {}, set[str]()
    for head in at_once(lambda name: _head(parts, name), unknown):
        if not head.is_whole or head.cut in there or (head.sources and head.sources <= sources):
            removed.append(head.name)
            continue
        kept |= head.sources - sources
        if taken := head.sources & sources:
            cut[head.name] = taken
    return Stale(removed, cut, frozenset(kept), frozenset(there))


def remove_stale(parts: Parts, pieces: Collection[Piece], found: Stale = NOTHING_SEEN) -> Stale:
    """Take out results that do not hold any more.

    Args:
        pieces: all of the archive.
        found: what `find_stale` found before; of the other parts, those that it has not seen are looked at.

    Returns:
        All that was.

    Raises:
        SinkError: if a part cannot be read, written or removed, or is no part of a batch.
    """
    late = find_stale(parts, pieces, parts.there(), found.seen)
    stale = Stale(
        [*found.removed, *late.removed], {**found.cut, **late.cut}, found.kept | late.kept, late.seen
    )
    at_once(lambda name: _remove(parts, name), stale.removed)
    at_once(lambda cut: _cut(parts, *cut), stale.cut.items())
    return stale


def _head(parts: Parts, name: str) -> _Head:
    path = parts.folder / PARTS / name
    parquet = require("pyarrow.parquet", EXTRA)
    try:
        with opened(path) as file:
            metadata = parquet.read_schema(file).metadata or {}
    except FileNotFoundError:  # a run that goes on meanwhile has removed it
        return _Head(name)
    except (OSError, ValueError) as error:
        if re.fullmatch(PART_NAME, name) and not parts.is_whole(name):
            return _Head(name, is_whole=False)
        raise SinkError(f"{path} is no part of a batch's results; choose another folder") from error
    if SOURCES_KEY not in metadata:
        raise SinkError(f"{path} was not written by a batch; choose another folder")
    cut = metadata.get(CUT_KEY)
    return _Head(name, frozenset(json.loads(metadata[SOURCES_KEY])), cut.decode() if cut else None)


def _remove(parts: Parts, name: str) -> None:
    for path in (parts.folder / TIMES / name, parts.folder / PARTS / name, parts.mark(name)):
        remove(path)


def _cut(parts: Parts, name: str, taken: Collection[str]) -> None:
    """Put what a part holds of other files in its place, by another name."""
    told = json.dumps([name, sorted(taken)]).encode()
    other = f"{hashlib.sha256(told).hexdigest()[:KEY_DIGITS]}{SUFFIX}"
    for kind in (TIMES, PARTS):
        if data := _without(parts.folder / kind / name, taken, name):
            write(parts.folder / kind / other, data, lasting=True)
    _remove(parts, name)


def _without(path: Place, taken: Collection[str], name: str) -> bytes | None:
    """Give a table without the rows of some files, None where there is none. Raises SinkError."""
    pa, parquet, compute = (require(one, EXTRA) for one in ("pyarrow", "pyarrow.parquet", "pyarrow.compute"))
    try:
        with opened(path) as file:
            table = parquet.read_table(file)
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise SinkError(f"{path} cannot be read, so that nothing can be taken out of it") from error
    is_taken = compute.is_in(table["source"], value_set=pa.array(sorted(taken), pa.string()))
    metadata = dict(table.schema.metadata or {})
    if SOURCES_KEY in metadata:
        left = [source for source in json.loads(metadata[SOURCES_KEY]) if source not in taken]
        metadata |= {SOURCES_KEY: json.dumps(left).encode(), CUT_KEY: name.encode()}
    data = io.BytesIO()
    left_rows = table.filter(compute.invert(is_taken)).replace_schema_metadata(metadata)
    parquet.write_table(left_rows, data, compression="zstd")
    return data.getvalue()
