"""Find the pictures of a tar file as WebDataset writes it: samples by their names, pictures by extensions."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgeseg.batch.piece import Samples, together
from edgeseg.batch.places import Place, opened
from edgeseg.errors import SourceError, one_line
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES

LOOKED_AT = 1 << 20  # bytes of a shard in a store, by which the number of its samples is estimated


def split(path: Place, field: str | None) -> tuple[Sequence[Samples], Sequence[int]]:
    """Split by the headers of its members; see `shards.split`."""
    with _reading(path) as file:
        if not isinstance(path, Path):
            return [Samples(field=field)], [_estimated(file, field)]
        places: list[int] = []
        with suppress(tarfile.TarError):  # whoever does the last part says so
            places.extend(member.offset for member in _pictures(file, field))
    step = together(len(places))
    begins = range(0, max(1, len(places)), step)
    parts = [Samples(begin, begin + step, places[begin] if places else 0, begin, field) for begin in begins]
    last = parts[-1]
    parts[-1] = Samples(last.begin, None, last.place, last.first, field)
    return parts, [min(step, max(1, len(places) - part.begin)) for part in parts]


def samples(path: Place, part: Samples) -> Iterator[tuple[int, str | None, bytes | None, str | None]]:
    """Give index, name, picture and error of each sample; see `shards.samples_of`."""
    with _reading(path) as file:
        size = file.seek(0, 2)
        file.seek(part.place)
        index = part.first
        for member in _pictures(file, part.field):
            if index == part.end:
                return
            if member.offset_data + member.size > size:
                raise tarfile.ReadError("unexpected end of data")
            file.seek(member.offset_data)
            yield index, member.name, file.read(member.size), None
            index += 1


def _pictures(file: BinaryIO, field: str | None) -> Iterator[tarfile.TarInfo]:
    """Give the members that are pictures, from where the file stands.

    Raises:
        tarfile.TarError: where it is damaged.
    """
    with tarfile.open(fileobj=file, mode="r:") as tar:
        while (member := tar.next()) is not None:
            tar.members = []  # type: ignore[attr-defined]  # it keeps all, and there may be millions
            if member.isreg() and _is_picture(PurePosixPath(member.name), field):
                yield member


def _is_picture(name: PurePosixPath, field: str | None) -> bool:
    if name.name.startswith("."):
        return False
    if field is None:
        return name.suffix.lower() in IMAGE_SUFFIXES
    return name.name.partition(".")[2].lower() == field.lower().lstrip(".")  # behind the first dot


def _estimated(file: BinaryIO, field: str | None) -> int:
    """Estimate the number of samples by those at its beginning."""
    size = file.seek(0, 2)
    file.seek(0)
    seen = end = 0
    with suppress(tarfile.TarError):
        for member in _pictures(file, field):
            seen, end = seen + 1, member.offset_data + member.size
            if end > LOOKED_AT:
                return round(seen * size / end)
    return max(1, seen)


@contextmanager
def _reading(path: Place) -> Iterator[BinaryIO]:
    """Say of what goes wrong that the shard cannot be read."""
    try:
        with opened(path) as file:
            yield file
    except (tarfile.TarError, OSError, ValueError, EOFError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"{path} is damaged or no tar file, from here on: {one_line(reason)}") from error
