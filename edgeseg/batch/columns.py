"""Find the pictures of a Parquet file: bytes, structs of `bytes` and `path`, or lists of these."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from edgeseg.batch.names import as_text
from edgeseg.batch.piece import MOST, SHARES, Sample, Samples, together
from edgeseg.batch.places import Place, opened
from edgeseg.batch.rows import EXTRA
from edgeseg.errors import SourceError, name_a_few, one_line
from edgeseg.extras import require

if TYPE_CHECKING:
    import pyarrow
    import pyarrow.parquet

ROWS_AT_ONCE = 16  # in memory
READ_BYTES = 8 << 20  # of a column at a time: a request of a store
NONE = "holds no picture"
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


def samples(path: Place, part: Samples) -> Iterator[Sample]:
    """Give the samples of a part, of a row that is a list each of its pictures; see `shards.samples_of`."""
    with _reading(path) as file:
        field = _column(path, file.schema_arrow, part.field)
        groups = range(part.place, file.num_row_groups)
        index = part.first
        for batch in file.iter_batches(ROWS_AT_ONCE, row_groups=groups, columns=[field]):
            for value in batch.column(0):
                if index == part.end:
                    return
                if index >= part.begin:
                    yield from _pictures(index, value)
                index += 1


def _pictures(index: int, cell: pyarrow.Scalar) -> Iterator[Sample]:
    if not _is_list(cell.type):
        yield _picture(index, cell, None)
    elif not cell.is_valid or not len(cell):
        yield Sample(index, None, None, NONE)
    else:
        for page, one in enumerate(cell):
            yield _picture(index, one, page)


def _picture(index: int, cell: pyarrow.Scalar, page: int | None) -> Sample:
    if not cell.is_valid:
        return Sample(index, None, None, NONE, page)
    if not require("pyarrow.types", EXTRA).is_struct(cell.type):
        data = cell.as_py()
        return Sample(index, None, data or None, None if data else NONE, page)
    data, name = cell[BYTES].as_py(), _path(cell)
    if data:
        return Sample(index, name, data, None, page)
    return Sample(index, name, None, f"{NONE}, only the path {name}" if name else NONE, page)


def _path(cell: pyarrow.StructScalar) -> str | None:
    """Give the path of a cell, whose bytes may be no UTF-8."""
    path = cell[PATH] if cell.type.get_field_index(PATH) >= 0 else None
    if path is None or not path.is_valid:
        return None
    try:
        told = path.as_py()
    except UnicodeDecodeError:
        told = path.as_buffer().to_pybytes()
    return as_text(told.decode(errors="surrogateescape") if isinstance(told, bytes) else str(told))


def _column(path: Place, schema: pyarrow.Schema, field: str | None) -> str:
    """Find the column of pictures: as told, or as Hugging Face's features say, or the only one that can be.

    Raises:
        SourceError: if there is none, or several, also of one name.
    """
    able = [one for one in schema if _holds_bytes(one.type)]
    if field is not None:
        found = [one for one in able if one.name == field]
        if not found:
            raise SourceError(
                f"{path} has no column {field} of pictures (bytes, or structs with {BYTES}); it has "
                f"{name_a_few(schema.names)}"
            )
    else:
        told = [one for one in able if one.name in _told(schema)]
        single = [one for one in able if not _is_list(one.type)]
        structs = [one for one in single if not _is_binary(_innermost(one.type))]
        of_any_size = [one for one in single if not _is_any(one.type, "fixed_size_binary")]
        found = told or structs or of_any_size or able  # a fixed size is a hash's, most often
    names: list[str] = list(dict.fromkeys(one.name for one in found))
    if not names:
        raise SourceError(f"{path} has no column of pictures; it has {name_a_few(schema.names)}")
    if len(names) > 1:
        raise SourceError(
            f"{path} has several columns that may be pictures; choose one by --image: {', '.join(names)}"
        )
    if schema.names.count(names[0]) > 1:
        raise SourceError(f"{path} has several columns called {names[0]}; give each a name of its own")
    return names[0]


def _told(schema: pyarrow.Schema) -> list[str]:
    try:
        features = json.loads((schema.metadata or {})[HUGGING_FACE])["info"]["features"]
        return [name for name, feature in features.items() if feature.get("_type") == "Image"]
    except (KeyError, ValueError, TypeError, AttributeError):
        return []


def _holds_bytes(kind: pyarrow.DataType) -> bool:
    kind = _innermost(kind)
    if require("pyarrow.types", EXTRA).is_struct(kind):
        place = kind.get_field_index(BYTES)
        return place >= 0 and _is_binary(kind.field(place).type)
    return _is_binary(kind)


def _innermost(kind: pyarrow.DataType) -> pyarrow.DataType:
    """Give the type of a list's elements, or of a dictionary's."""
    is_coded = require("pyarrow.types", EXTRA).is_dictionary
    return kind.value_type if _is_list(kind) or is_coded(kind) else kind


def _is_list(kind: pyarrow.DataType) -> bool:
    return _is_any(kind, "list", "large_list", "fixed_size_list", "list_view", "large_list_view")


def _is_binary(kind: pyarrow.DataType) -> bool:
    return _is_any(kind, "binary", "large_binary", "fixed_size_binary", "binary_view")


def _is_any(kind: pyarrow.DataType, *names: str) -> bool:
    """Tell whether a type is one of these, some of which older versions of pyarrow do not know."""
    types = require("pyarrow.types", EXTRA)
    return any(getattr(types, f"is_{name}", lambda kind: False)(kind) for name in names)


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
