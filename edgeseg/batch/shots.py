"""Read the frames of a file of an archive, or of a part of it, and say what of it cannot be read."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import MappingProxyType, TracebackType

from edgeseg.batch.excerpts import copy_part
from edgeseg.batch.names import spelt_in_text
from edgeseg.batch.piece import File, Sample, Samples, Span
from edgeseg.batch.places import Stored, copied, no_room
from edgeseg.batch.scratch import scratch, sweep
from edgeseg.batch.shards import SHARD_SUFFIXES, samples_of
from edgeseg.errors import SourceError, UsageError, one_line
from edgeseg.limits import OverLimitError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources import open_file
from edgeseg.runtime.sources.arrays import ARRAY_SUFFIXES
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES
from edgeseg.runtime.sources.video import VideoSource
from edgeseg.spec import InputSpec

AHEAD = 8  # files of a store that are fetched at once
PASSING = frozenset(
    (errno.EACCES, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOSPC,
     errno.EPERM, errno.EROFS, errno.ESTALE, errno.ETIMEDOUT)
)  # fmt: skip  # errors of the system that are none of a file's content
NOTHING: Mapping[int, str] = MappingProxyType({})
UNNAMED = ".png"  # suffix of pictures without one; what they are, their content tells


@dataclass(frozen=True)
class Shot:
    """A frame with its place in its file.

    Attributes:
        sample: what a shard calls it.
        in_file: that the file is one of many pictures: a video, or a shard.
    """

    file: File
    index: int
    frame: Frame
    sample: str | None = None
    in_file: bool = False


@dataclass(frozen=True)
class Failure:
    """What of a file gave no frame, and why; names the file as results do, wherever it lies.

    Attributes:
        doubtful: it may be the store's fault, not the file's.
        passing: what is wrong is not in the file, and may be mended without a change to it.
    """

    file: File
    error: str
    index: int | None = None
    sample: str | None = None
    doubtful: bool = False
    passing: bool = False


@dataclass(frozen=True)
class Note:
    """What of a file was read otherwise than a user might expect."""

    file: File
    text: str


class Reader:
    """Frames of files, whatever these are and wherever they lie; a context manager.

    A file of a store, and the picture of a sample, is copied to this machine while it is read; files of a
    store before their turn, so that the store's latency is not waited for. Copies that killed processes left
    are removed first.

    Args:
        taken: the network's input.
    """

    def __init__(self, taken: InputSpec) -> None:
        self._taken = taken
        self._folders = ExitStack()
        self._made: Path | None = None
        sweep()
        self._fetching = ThreadPoolExecutor(AHEAD)  # which starts no thread before it is used
        self._coming: dict[File, Future[Path]] = {}

    @property
    def _copies(self) -> Path:
        """The folder of copies, which is made when there is one."""
        self._made = self._made or self._folders.enter_context(scratch())
        return self._made

    def in_turn(self, files: Sequence[File]) -> Iterator[File]:
        """Give files in their order, while those to come are fetched."""
        for place, file in enumerate(files):
            for one in files[place : place + AHEAD]:
                if len(files) > 1 and isinstance(one.path, Stored) and one not in self._coming:
                    self._coming[one] = self._fetching.submit(self._fetched, one, self._copies)
            yield file
            self._coming.pop(file, None)

    def shots(
        self, file: File, part: Span | Samples | None, without: Mapping[int, str] = NOTHING
    ) -> Iterator[Shot | Failure | Note]:
        """Give a file's frames, or those of a part of it, what is wrong with it, and what is to be known.

        Args:
            without: samples of a shard that are not looked at, by their numbers, each with its error.
        """
        if isinstance(part, Samples) or file.path.suffix.lower() in SHARD_SUFFIXES:
            yield from self._of_shard(file, part if isinstance(part, Samples) else Samples(), without)
            return
        try:
            with self._local(file, part) as path:
                yield from self._of_file(file, path, part)
        except SourceError as error:
            yield _failure(file, str(error), file.path, error)

    def _of_file(
        self, file: File, path: Path, span: Span | None, called: str | None = None
    ) -> Iterator[Shot | Failure | Note]:
        """Give what is in a file at a path; errors call it by its name, or as told."""
        count = 0
        try:
            with self._opened(path, span) as source:
                for index, frame in _frames_of(source, span):
                    count += 1
                    yield Shot(file, index, frame, in_file=frame.name is None)
                for line in source.skipped:
                    yield _failure(file, line, path, called=called)
                for line in source.notes:
                    yield Note(file, one_line(line.replace(str(path), file.name)))
        except (SourceError, UsageError) as error:
            yield _failure(file, str(error), path, error, called)
        else:
            if not count and not source.skipped:
                yield _failure(file, f"{path} has no picture that can be read", path, called=called)

    def _of_shard(
        self, file: File, part: Samples, without: Mapping[int, str]
    ) -> Iterator[Shot | Failure | Note]:
        none = part.begin == 0  # and nothing is what it holds
        told: int | None = None
        try:
            for sample in samples_of(file.path, part):
                none = False
                if sample.index in without:
                    if sample.index == told:  # by another picture of its list
                        continue
                    told = sample.index
                    yield Failure(file, without[sample.index], sample.index, sample.name, passing=True)
                elif sample.index >= part.begin:
                    yield from self._of_sample(file, sample)
        except SourceError as error:
            yield _failure(file, str(error), file.path, error)
            none = False
        if none:
            yield Failure(file, f"{file.name} holds no picture")

    def _of_sample(self, file: File, sample: Sample) -> Iterator[Shot | Failure | Note]:
        within = "" if sample.page is None else f"picture {sample.page} of the list: "
        if sample.data is None:
            yield Failure(file, f"{within}{sample.error}", sample.index, sample.name)
            return
        suffix = PurePosixPath(sample.name or "").suffix.lower()
        known = IMAGE_SUFFIXES | ARRAY_SUFFIXES
        try:
            path = self._copies / f"sample{suffix if suffix in known else UNNAMED}"
            path.write_bytes(sample.data)
        except OSError as error:
            reason = f"cannot be copied to a temporary folder: {error.strerror or error}; set TMPDIR"
            yield Failure(file, f"{within}{reason}", sample.index, sample.name, passing=True)
            return
        for one in self._of_file(file, path, None, sample.name or f"sample {sample.index}"):
            if isinstance(one, Note):
                yield replace(one, text=f"{one.text}, of sample {sample.name or sample.index}")
            elif isinstance(one, Failure):
                told = f"{within}{one.error}"
                yield replace(one, error=told, index=sample.index, sample=sample.name, doubtful=False)
            else:
                frame = one.frame if sample.page is None else replace(one.frame, page=sample.page)
                yield Shot(file, sample.index, frame, sample.name, in_file=True)

    def _opened(self, path: Path, span: Span | None) -> Source:
        if span is None:
            return open_file(path, self._taken)
        return VideoSource.file(path, begin=span.stamp, passed=span.index)

    @contextmanager
    def _local(self, file: File, span: Span | None) -> Iterator[Path]:
        """Give the file, or a copy of what is needed of it for the time being. Raises SourceError."""
        if isinstance(file.path, Path):
            with ExitStack() as held:
                try:
                    path = held.enter_context(spelt_in_text(file.path))
                except OSError as error:
                    raise no_room(file.path, error) from error
                yield path
            return
        coming = self._coming.get(file)
        copy = self._fetched(file, self._copies, span) if coming is None else coming.result()
        try:
            yield copy
        finally:
            copy.unlink(missing_ok=True)

    def _fetched(self, file: File, folder: Path, span: Span | None = None) -> Path:
        """Copy a file of a store, or a span of it. Raises SourceError."""
        assert isinstance(file.path, Stored)
        try:
            handle, copy = tempfile.mkstemp(file.path.suffix, dir=folder)
            os.close(handle)
        except OSError as error:
            raise no_room(file.path, error) from error
        if span is None:
            copied(file.path, Path(copy))
        else:
            copy_part(file.path, Path(copy), span)
        return Path(copy)

    def close(self) -> None:
        """Remove the copies."""
        self._fetching.shutdown(cancel_futures=True)
        self._folders.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _frames_of(source: Source, span: Span | None) -> Iterator[tuple[int, Frame]]:
    """Give the frames of a span, or all, each with its place in the whole video."""
    first: int | None = None
    while (frame := source.read()) is not None:
        if span is None:
            yield frame.index, frame
            continue
        if frame.media_s is not None:
            if frame.media_s < span.begin_s:
                continue
            if span.end_s is not None and frame.media_s >= span.end_s:
                return
        first = frame.index if first is None else first
        yield frame.index - first + span.index, frame


def _failure(
    file: File, error: str, path: object, raised: BaseException | None = None, called: str | None = None
) -> Failure:
    cause = raised.__cause__ if raised is not None else None
    lost = isinstance(cause, OSError) and not isinstance(cause, FileNotFoundError)
    doubtful = lost and isinstance(file.path, Stored)
    text = one_line(error.replace(str(path), called or file.name))
    return Failure(file, text, doubtful=doubtful, passing=doubtful or _is_passing(raised))


def _is_passing(error: BaseException | None) -> bool:
    """Whether an error is none of the file's content, but of the machine, of rights, or of a limit."""
    while error is not None:
        if isinstance(error, OverLimitError) or (isinstance(error, OSError) and error.errno in PASSING):
            return True
        error = error.__cause__
    return False
