"""Do one piece of an archive after another with one engine: frames in, a part of the results out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.batch.parts import LABELS, OVERLAYS, Parts
from edgeseg.batch.piece import Piece
from edgeseg.batch.places import Stored, check_answers, make, write
from edgeseg.batch.rows import Row, error_row, row_of
from edgeseg.batch.settings import BatchSettings
from edgeseg.batch.shots import Failure, Note, Reader, Shot
from edgeseg.frames.preprocess import Prepared
from edgeseg.frames.results import Result, SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.sinks.base import encode_image
from edgeseg.runtime.sinks.images import instance_map

INDEX_DIGITS = 6
MS_PER_S = 1000
TRIES = 3  # to read what a store did not give, though it answers


@dataclass(frozen=True)
class Done:
    """What became of a piece.

    Attributes:
        frames: that have results.
        errors: rows without.
        notes: on files that were read otherwise than a user might expect, a line each.
        passing: one of these blames what is not in its file, so that the next run tries again.
    """

    frames: int
    errors: int
    passing: bool = False
    notes: Sequence[str] = ()


@dataclass
class _Part:
    """Rows of the piece that is being done."""

    rows: list[Row] = field(default_factory=list)
    times: list[Row] = field(default_factory=list)
    errors: int = 0
    doubtful: list[Stored] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def fail(self, failure: Failure) -> None:
        """Take note of what is wrong with a file."""
        self.rows.append(error_row(failure.file.name, failure.error, failure.index, failure.sample))
        self.errors += 1
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

    def do(self, piece: Piece) -> Done:
        """Segment a piece and write its part; a file that is broken is a row that says so.

        What a store did not give is read again, before it is taken for broken.

        Raises:
            SinkError: if the results cannot be written.
            SourceDownError: if a store does not answer.
            EngineError: if the engine fails.
        """
        for _ in range(TRIES):
            part = self._part_of(piece)
            if not part.doubtful:
                break
            for place in part.doubtful:
                check_answers(place)
        part.rows.sort(key=lambda row: _place(row, piece))
        self._parts.put(piece, part.rows, part.times)
        return Done(len(part.times), part.errors, notes=tuple(part.notes))

    def _part_of(self, piece: Piece) -> _Part:
        """Segment a piece."""
        part = _Part()
        held: list[Shot] = []
        for file in self._reader.in_turn(piece.files):
            for shot in self._reader.shots(file, piece.span):
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
        for shot, result in zip(shots, self._segmented([shot.frame for shot in shots]), strict=True):
            row = row_of(shot.file.name, shot.index, shot.frame, result, names, sample=shot.sample)
            part.rows.append(row)
            self._draw(shot, result)
        took_ms = MS_PER_S * (time.monotonic() - began_s) / len(shots)
        part.times.extend(
            {"source": shot.file.name, "index": shot.index, "latency_ms": took_ms} for shot in shots
        )

    def _segmented(self, frames: list[Frame]) -> Iterator[Result]:
        segmenter = self._segmenter
        if len(frames) == 1:
            yield segmenter(frames[0].image)
            return
        prepared = [_kept(segmenter.preprocess(frame.image)) for frame in frames]
        outputs = segmenter.engine.infer(np.concatenate([one.image for one in prepared]))
        begin = 0
        for frame, one in zip(frames, prepared, strict=True):
            own = slice(begin, begin + len(one.image))
            begin = own.stop
            part = {name: value[own] for name, value in outputs.items()}
            yield segmenter.finish(part, one.placement, frame.image)

    def _draw(self, shot: Shot, result: Result) -> None:
        """Write the label map and the overlay of a frame, where they are asked for."""
        if self._settings.label_maps:
            self._write(LABELS, shot, ".png", _map_of(result))
        if self._settings.overlays:
            self._write(OVERLAYS, shot, ".jpg", draw(shot.frame.image, result, self._segmenter.spec))

    def _write(self, kind: str, shot: Shot, suffix: str, image: NDArray[Any]) -> None:
        page = "" if shot.frame.page is None else f"-{shot.frame.page:0{INDEX_DIGITS}d}"
        within = f"/{shot.index:0{INDEX_DIGITS}d}" if shot.in_file else ""
        folder, _, name = f"{kind}/{shot.file.name}{within}{page}{suffix}".rpartition("/")
        make(self._parts.folder / folder)
        write(self._parts.folder / folder / name, encode_image(Path(name), image))

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
