"""Find the pictures of a Parquet file: bytes, or Hugging Face's structs of `bytes` and `path`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from edgeseg.batch.piece import MOST, SHARES, Samples, together
from edgeseg.batch.places import Place, opened
from edgeseg.batch.rows import EXTRA
from edgeseg.errors import SourceError, name_a_few, one_line
from edgeseg.extras import require

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

AT_ONCE = 16  # rows that are in memory
READ_BYTES = 8 << 20  # of a column at a time: a request of a store
BYTES, PATH = "bytes", "path"  # of a struct
HUGGING_FACE = b"huggingface"  # key of a file's metadata


def split(path: Place, field: str | None) -> tuple[Sequence[Samples], Sequence[int]]:
    """Split by its groups of rows; see `shards.split`.

    A group of more than MOST rows is split, too; each of its SHARES reads it from its beginning.
    """
    with _reading(path) as file:
        field = _column(path, file.schema_arrow, field)
        sizes = [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]
    step = together(sum(sizes))
    parts: list[Samples] = []
    held: Samples | None = None
    first = 0
    for group, size in enumerate(sizes):
        end = first + size
        if size > MOST:
            parts += [held] if held else []
            held = None
            share = max(MOST, -(-size // SHARES))
            begins = range(first, end, share)
            parts += [Samples(begin, min(begin + share, end), group, first, field) for begin in begins]
        else:
            begin, place = (held.begin, held.place) if held else (first, group)
            held = Samples(begin, end, place, begin, field)
            if end - begin >= step:
                parts.append(held)
                held = None
        first = end
    parts += [held] if held else []
    parts = parts or [Samples(field=field)]
    return parts, [max(1, (part.end or 0) - part.begin) for part in parts]


def samples(path: Place, part: Samples) -> Iterator[tuple[int, str | None, bytes | None, str | None]]:
    """Give index, name, picture and error of each sample; see `shards.samples_of`."""
    with _reading(path) as file:
        field = _column(path, file.schema_arrow, part.field)
        groups = range(part.place, file.num_row_groups)
        index = part.first
        for batch in file.iter_batches(AT_ONCE, row_groups=groups, columns=[field]):
            for value in batch.column(0):
                if index == part.end:
                    return
                if index >= part.begin:
                    yield index, *_picture(value.as_py())
                index += 1


def _picture(value: Any) -> tuple[str | None, bytes | None, str | None]:
    """Give name, picture and error of a cell."""
    if isinstance(value, dict):
        name, data = value.get(PATH), value.get(BYTES)
        if data:
            return name, data, None
        return name, None, f"holds no picture, only the path {name}" if name else "holds no picture"
    return (None, value, None) if value else (None, None, "holds no picture")


def _column(path: Place, schema: pyarrow.Schema, field: str | None) -> str:
    """Find the column of pictures: as told, or as Hugging Face's features say, or the only one that can be.

    Raises:
        SourceError: if there is none, or several.
    """
    able = [one.name for one in schema if _holds_bytes(one.type)]
    if field is not None:
        if field not in able:
            raise SourceError(
                f"{path} has no column {field} of pictures (bytes, or structs with {BYTES}); it has "
                f"{name_a_few(schema.names)}"
            )
        return field
    told = [name for name in _told(schema) if name in able]
    structs = [name for name in able if not _is_binary(schema.field(name).type)]
    found = told or structs or able
    if len(found) == 1:
        return found[0]
    if not found:
        raise SourceError(f"{path} has no column of pictures; it has {name_a_few(schema.names)}")
    names = ", ".join(found)
    raise SourceError(f"{path} has several columns that may be pictures; choose one by --image: {names}")


def _told(schema: pyarrow.Schema) -> list[str]:
    try:
        features = json.loads((schema.metadata or {})[HUGGING_FACE])["info"]["features"]
        return [name for name, feature in features.items() if feature.get("_type") == "Image"]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _holds_bytes(kind: pyarrow.DataType) -> bool:
    types = require("pyarrow.types", EXTRA)
    if types.is_struct(kind):
        place = kind.get_field_index(BYTES)
        return place >= 0 and _is_binary(kind.field(place).type)
    return _is_binary(kind)


def _is_binary(kind: pyarrow.DataType) -> bool:
    types = require("pyarrow.types", EXTRA)
    return bool(types.is_binary(kind) or types.is_large_binary(kind))


@contextmanager
def _reading(path: Place) -> Iterator[pyarrow.parquet.ParquetFile]:
    """Open it so that pages are read one by one, and say of what goes wrong that it cannot be read."""
    parquet = require("pyarrow.parquet", EXTRA)
    try:
        with (
            opened(path) as file,
            parquet.ParquetFile(file, buffer_size=READ_BYTES, pre_buffer=False) as table,
        ):
            yield table
    except (OSError, ValueError, NotImplementedError, require("pyarrow", EXTRA).ArrowException) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path} is damaged or no Parquet file: {one_line(reason)}") from error
