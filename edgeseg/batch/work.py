"""Do one piece of an archive after another with one engine: frames in, a part of the results out."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgeseg.batch.drawn import drawn_name
from edgeseg.batch.parts import LABELS, OVERLAYS, Parts
from edgeseg.batch.piece import Piece, Samples
from edgeseg.batch.places import Stored, check_answers, make, write
from edgeseg.batch.rows import Row, error_row, row_of
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.shards import samples_of
from edgeseg.batch.shots import NOTHING, Failure, Note, Reader, Shot
from edgeseg.batch.task import Done, Lost, Outcome, Task
from edgeseg.errors import EdgesegError, ShapeError, SinkError, SourceError, one_line
from edgeseg.frames.preprocess import Prepared
from edgeseg.frames.results import Result, SemanticResult
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.sinks.base import encode_image
from edgeseg.runtime.sinks.images import instance_map

MS_PER_S = 1000
T = TypeVar("T")
READINGS = 3  # to read what a store did not give, though it answers


@dataclass
class _Part:
    """Rows of the piece that is being done."""

    rows: list[Row] = field(default_factory=list)
    times: list[Row] = field(default_factory=list)
    errors: int = 0
    passing: str = ""
    doubtful: list[Stored] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, failure: Failure) -> None:
        """Take note of what is wrong with a file."""
        self.rows.append(error_row(failure.file.name, failure.error, failure.index, failure.sample))
        self.errors += 1
        if failure.passing:
            self.passing = self.passing or failure.error
        if failure.doubtful and isinstance(failure.file.path, Stored):
            self.doubtful.append(failure.file.path)


class Worker:
    """One engine that segments pieces; a context manager.

    Frames of a piece fill the engine's batches, whatever files they are of.

    Raises:
        EdgesegError: as `Segmenter.open`.
    """

    def __init__(self, settings: BatchSettings, parts: Parts) -> None:
        self._settings = settings
        self._parts = parts
        self._segmenter = settings.open()
        self._reader = Reader(self._segmenter.spec.input)

    def check(self) -> None:
        """Run the engine on a black frame. Raises EngineError."""
        taken = self._segmenter.spec.input
        blank = np.zeros((taken.height, taken.width, taken.channels), taken.dtype)
        self._segmenter.infer(self._segmenter.preprocess(blank))

    def units(self, piece: Piece) -> range:
        """Say which units a piece has; see `Task`."""
        if (known := piece.units) is not None:
            return known
        assert isinstance(piece.span, Samples)
        end = piece.span.begin
        with suppress(SourceError):  # what is behind it is no unit
            for sample in samples_of(piece.files[0].path, piece.span):
                end = sample.index + 1
        return range(piece.span.begin, end)

    def do(self, piece: Piece, only: range | None = None, without: Mapping[int, str] = NOTHING) -> Done:
        """Segment a piece and write its part; a file that is broken is a row that says so.

        What a store did not give is read again, before it is taken for broken.

        Args:
            only, without: as in `Task`.

        Raises:
            SinkError: if the results cannot be written.
            SourceDownError: if a store does not answer.
            EngineError: if the engine fails.
        """
        for _ in range(READINGS):
            part = self._part_of(piece, only, without)
            if not part.doubtful:
                break
            for place in part.doubtful:
                check_answers(place)
        if only is None:
            part.rows.sort(key=lambda row: _place(row, piece))
            self._parts.put(piece, part.rows, part.times, part.passing)
        return Done(len(part.times), part.errors, bool(part.passing), tuple(part.notes))

    def _part_of(self, piece: Piece, only: range | None, without: Mapping[int, str]) -> _Part:
        """Segment a piece, or some units of it."""
        part = _Part()
        held: list[Shot] = []
        files, span = list(piece.files), piece.span
        if isinstance(span, Samples):
            span = span if only is None else replace(span, begin=only.start, end=only.stop)
        else:
            for unit, error in without.items():
                part.fail(Failure(files[unit], error, passing=True))
            files = [files[unit] for unit in only or range(len(files)) if unit not in without]
        for file in self._reader.in_turn(files):
            for shot in self._reader.shots(file, span, without):
                if isinstance(shot, Failure):
                    part.fail(shot)
                    continue
                if isinstance(shot, Note):
                    part.notes.append(shot.text)
                    continue
                held.append(shot)
                if len(held) == self._segmenter.engine.batch_shape[0]:
                    self._finish(held, part)
        self._finish(held, part)
        return part

    def _finish(self, held: list[Shot], part: _Part) -> None:
        """Segment the frames that are held, and empty the list."""
        if not held:
            return
        shots, began_s = list(held), time.monotonic()
        held.clear()
        names = self._segmenter.spec.class_names
        done: list[Shot] = []
        for shot, result in self._segmented(shots):
            try:
                if isinstance(result, ShapeError):
                    raise _NoResultError(str(result))
                self._draw(shot, result)
            except _NoResultError as error:
                part.fail(Failure(shot.file, str(error), shot.index, shot.sample))
                continue
            row = row_of(shot.file.name, shot.index, shot.frame, result, names, sample=shot.sample)
            part.rows.append(row)
            done.append(shot)
        took_ms = MS_PER_S * (time.monotonic() - began_s) / len(shots)
        part.times.extend(
            {"source": shot.file.name, "index": shot.index, "latency_ms": took_ms} for shot in done
        )

    def _segmented(self, shots: list[Shot]) -> Iterator[tuple[Shot, Result | ShapeError]]:
        """Give what is found in each frame, or what makes it no frame for the network."""
        segmenter = self._segmenter
        if len(shots) == 1:
            (shot,) = shots
            yield shot, _unless_misshapen(segmenter, shot.frame.image)
            return
        prepared: list[tuple[Shot, Prepared]] = []
        for shot in shots:
            one = _unless_misshapen(segmenter.preprocess, shot.frame.image)
            if isinstance(one, ShapeError):
                yield shot, one
            else:
                prepared.append((shot, _kept(one)))
        if not prepared:
            return
        outputs = segmenter.engine.infer(np.concatenate([one.image for _, one in prepared]))
        begin = 0
        for shot, one in prepared:
            own = slice(begin, begin + len(one.image))
            begin = own.stop
            part = {name: value[own] for name, value in outputs.items()}
            yield shot, segmenter.finish(part, one.placement, shot.frame.image)

    def _draw(self, shot: Shot, result: Result) -> None:
        """Write the label map and the overlay of a frame, where they are asked for. Raises _NoResultError."""
        if self._settings.label_maps:
            self._write(LABELS, shot, _map_of(result))
        if self._settings.overlays:
            self._write(OVERLAYS, shot, draw(shot.frame.image, result, self._segmenter.spec))

    def _write(self, kind: str, shot: Shot, image: NDArray[Any]) -> None:
        drawn = drawn_name(kind, shot.file.name, shot.index if shot.in_file else None, shot.frame.page)
        folder, _, name = f"{kind}/{drawn}".rpartition("/")
        try:
            data = encode_image(Path(name), image)
        except SinkError as error:
            raise _NoResultError(f"has nothing in {kind}: {error}") from error
        try:
            make(self._parts.folder / folder)
            write(self._parts.folder / folder / name, data)
        except SinkError as error:
            if isinstance(error.__cause__, OSError) and error.__cause__.errno == errno.ENAMETOOLONG:
                raise _NoResultError(f"has nothing in {kind}: {name} is too long a name") from error
            raise

    def close(self) -> None:
        """Close the engine."""
        self._reader.close()
        self._segmenter.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def answer(worker: Worker, task: Task) -> Outcome | EdgesegError:
    """Do a task; errors of any kind are answers, and those that nobody has thought of are a loss."""
    try:
        return worker.units(task.piece) if task.counted else worker.do(task.piece, task.only, task.without)
    except EdgesegError as error:
        return error
    except Exception as error:  # of whatever library
        return Lost(f"segmenting it failed: {type(error).__name__}: {one_line(str(error))}")


class _NoResultError(Exception):
    """Why a frame has no result, though it could be read."""


def _unless_misshapen(make: Callable[[NDArray[Any]], T], image: NDArray[Any]) -> T | ShapeError:
    try:
        return make(image)
    except ShapeError as error:
        return error


def _map_of(result: Result) -> NDArray[np.uint8] | NDArray[np.uint16]:
    return result.labels if isinstance(result, SemanticResult) else instance_map(result)


def _kept(prepared: Prepared) -> Prepared:
    """Copy what is valid only until the next frame is prepared."""
    return Prepared(prepared.image.copy(), prepared.placement)


def _place(row: Row, piece: Piece) -> tuple[int, int]:
    """Order rows by file and frame; those of a file as a whole come behind its frames."""
    names = [file.name for file in piece.files]
    index = row.get("index")
    return names.index(row["source"]), 1 << 62 if index is None else index
