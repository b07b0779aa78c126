"""Find the pictures of a tar file as WebDataset writes it: samples by their names, pictures by extensions."""

from __future__ import annotations

import posixpath
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from edgeseg.batch.names import as_text
from edgeseg.batch.piece import Sample, Samples, together
from edgeseg.batch.places import Place, opened
from edgeseg.batch.tree import HIDDEN
from edgeseg.errors import SourceError, name_a_few, one_line
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES

SEEN_BYTES = 1 << 20  # of a shard in a store, by which the number of its samples is estimated
SKIPPED_AT_ONCE = 1 << 20  # bytes behind a mark of the end, which is to be the last


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


def samples(path: Place, part: Samples) -> Iterator[Sample]:
    """Give the samples of a part; see `shards.samples_of`. Raises SourceError if none has the field, too."""
    with _reading(path) as file:
        links = _Links(file)
        index = part.first
        for member in _pictures(file, part.field, part.place):
            if index == part.end:
                return
            data = error = None
            if (linked := links.member(member)) is None:
                error = f"is a link to {as_text(member.linkname)}, which is not in the shard"
            elif linked.issparse():
                error = "is stored with holes (a sparse file), which are not read here"
            else:
                data = _content(file, linked)
            yield Sample(index, as_text(member.name), data, error)
            index += 1
        if index == 0 and part.field is not None and (others := _extensions(file)):
            raise SourceError(f"{path} has no picture {part.field}; its samples have {name_a_few(others)}")


class _Links:
    """Finds what the links of a tar file stand for, by reading its headers once more where there are some."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._found: Mapping[str, tarfile.TarInfo] | None = None

    def member(self, link: tarfile.TarInfo) -> tarfile.TarInfo | None:
        """Give the file that a link leads to, or that it is itself; None where there is none."""
        if link.isreg():
            return link
        if self._found is None:
            found: dict[str, tarfile.TarInfo] = {}
            with suppress(tarfile.TarError):
                found.update((posixpath.normpath(one.name), one) for one in _members(self._file))
            self._found = found
        seen: set[str] = set()
        one: tarfile.TarInfo | None = link
        while one is not None and not one.isreg() and one.name not in seen:
            seen.add(one.name)
            folder = posixpath.dirname(one.name) if one.issym() else ""
            one = self._found.get(posixpath.normpath(posixpath.join(folder, one.linkname)))
        return one if one is not None and one.isreg() else None


def _content(file: BinaryIO, member: tarfile.TarInfo) -> bytes:
    if member.offset_data + member.size > file.seek(0, 2):
        raise tarfile.ReadError("unexpected end of data")
    file.seek(member.offset_data)
    return file.read(member.size)


def _pictures(file: BinaryIO, field: str | None, begin: int = 0) -> Iterator[tarfile.TarInfo]:
    """Give the members that are pictures, or links to some, from a header on. Raises as `_members`."""
    return (
        member
        for member in _members(file, begin)
        if (member.isreg() or member.islnk() or member.issym())
        and _is_picture(PurePosixPath(member.name), field)
    )


def _members(file: BinaryIO, begin: int = 0) -> Iterator[tarfile.TarInfo]:
    """Give the members from a header on, also those of another tar file that is appended.

    `TarFile.next` takes a damaged header, and a file that is cut, for the end.

    Raises:
        tarfile.TarError: where it is damaged, or ends without the mark of its end.
    """
    file.seek(begin)
    with tarfile.open(fileobj=file, mode="r:") as tar:
        at = begin
        while True:
            file.seek(at)
            try:
                member = tarfile.TarInfo.fromtarfile(tar)
            except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # a block of zeros: the mark
                more = _behind_zeros(file)
                if more is None:
                    return
                at = more
                continue
            except tarfile.EmptyHeaderError as error:  # type: ignore[attr-defined]
                raise tarfile.ReadError("it ends without the mark of its end, and may lack more") from error
            at = tar.offset
            yield member


def _behind_zeros(file: BinaryIO) -> int | None:
    """Give the place of the next block that is not of zeros; None where the rest is."""
    at = file.tell()
    while data := file.read(SKIPPED_AT_ONCE):
        zeros = len(data) - len(data.lstrip(b"\0"))
        if zeros < len(data):
            return at + zeros // tarfile.BLOCKSIZE * tarfile.BLOCKSIZE
        at += len(data)
    return None


def _is_picture(name: PurePosixPath, field: str | None) -> bool:
    if field is not None:
        return _extension(name) == field.lower().lstrip(".")
    return not name.name.startswith(HIDDEN) and name.suffix.lower() in IMAGE_SUFFIXES


def _extensions(file: BinaryIO) -> list[str]:
    """Name what samples have, each once."""
    found: dict[str, None] = {}
    with suppress(tarfile.TarError):
        found.update((_extension(PurePosixPath(one.name)), None) for one in _members(file) if not one.isdir())
    return [as_text(extension) for extension in found if extension]


def _extension(name: PurePosixPath) -> str:
    """Give what is behind the first dot, empty of what is hidden."""
    return "" if name.name.startswith(HIDDEN) else name.name.partition(".")[2].lower()


def _estimated(file: BinaryIO, field: str | None) -> int:
    """Estimate the number of samples by those at its beginning."""
    size = file.seek(0, 2)
    seen = end = 0
    with suppress(tarfile.TarError):
        for member in _pictures(file, field):
            seen, end = seen + 1, member.offset_data + member.size
            if end > SEEN_BYTES:
                return round(seen * size / end)
    return max(1, seen)


@contextmanager
def _reading(path: Place) -> Iterator[BinaryIO]:
    """Say of what goes wrong that the shard cannot be read."""
    try:
        with opened(path) as file:
            yield file
    except OSError as error:
        raise SourceError(f"cannot read {path}: {one_line(error.strerror or str(error))}") from error
    except (tarfile.TarError, ValueError, EOFError) as error:
        raise SourceError(
            f"{path} is damaged or no tar file, from here on: {one_line(str(error))}"
        ) from error
