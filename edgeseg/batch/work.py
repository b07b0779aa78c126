"""Do one piece of an archive after another with one engine: frames in, a part of the results out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.batch.parts import LABELS, OVERLAYS, Parts
from edgeseg.batch.piece import File, Piece, Span
from edgeseg.batch.rows import Row, error_row, row_of
from edgeseg.batch.settings import BatchSettings
from edgeseg.errors import SourceError, UsageError, one_line
from edgeseg.files import make_folder, write_whole
from edgeseg.frames.preprocess import Prepared
from edgeseg.frames.results import Result, SemanticResult
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.overlay import draw
from edgeseg.runtime.sinks.base import encode_image
from edgeseg.runtime.sinks.images import instance_map
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.sources.video import VideoSource
from edgeseg.spec import InputSpec

INDEX_DIGITS = 6
MS_PER_S = 1000


@dataclass(frozen=True)
class Done:
    """What became of a piece.

    Attributes:
        frames: that have results.
        errors: rows without.
    """

    frames: int
    errors: int


@dataclass
class _Part:
    """Rows of the piece that is being done."""

    rows: list[Row] = field(default_factory=list)
    times: list[Row] = field(default_factory=list)
    errors: int = 0

    def fail(self, file: File, error: str) -> None:
        """Take note of what is wrong with a file, by its name: where it lies is the machine's own affair."""
        self.rows.append(error_row(file.name, one_line(error.replace(str(file.path), file.name))))
        self.errors += 1


@dataclass(frozen=True)
class _Shot:
    """A frame with its place in its file."""

    file: File
    index: int
    frame: Frame


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

    def do(self, piece: Piece) -> Done:
        """Segment a piece and write its part; a file that is broken is a row that says so.

        Raises:
            SinkError: if the results cannot be written.
            EngineError: if the engine fails.
        """
        part = _Part()
        held: list[_Shot] = []
        for file in piece.files:
            for shot in self._shots(file, piece.span, part):
                held.append(shot)
                if len(held) == self._segmenter.engine.batch_shape[0]:
                    self._finish(held, part)
        self._finish(held, part)
        part.rows.sort(key=lambda row: _place(row, piece))
        self._parts.put(piece, part.rows, part.times)
        return Done(len(part.times), part.errors)

    def _shots(self, file: File, span: Span | None, part: _Part) -> Iterator[_Shot]:
        """Give a file's frames, and put what is wrong with it into the part."""
        count = 0
        try:
            with _opened(file.path, span, self._segmenter.spec.input) as source:
                first: int | None = None
                while (frame := source.read()) is not None:
                    if span is not None and frame.media_s is not None:
                        if frame.media_s < span.begin_s:
                            continue
                        if span.end_s is not None and frame.media_s >= span.end_s:
                            break
                    first = frame.index if first is None else first
                    count += 1
                    yield _Shot(
                        file, frame.index - (first if span else 0) + (span.index if span else 0), frame
                    )
                for line in source.skipped:
                    part.fail(file, line)
        except (SourceError, UsageError) as error:
            part.fail(file, str(error))
        else:
            if not count and not source.skipped:
                part.fail(file, f"{file.path} has no picture that can be read")

    def _finish(self, held: list[_Shot], part: _Part) -> None:
        """Segment the frames that are held, and empty the list."""
        if not held:
            return
        shots, began_s = list(held), time.monotonic()
        held.clear()
        for shot, result in zip(shots, self._segmented([shot.frame for shot in shots]), strict=True):
            row = row_of(shot.file.name, shot.index, shot.frame, result, self._segmenter.spec.class_names)
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

    def _draw(self, shot: _Shot, result: Result) -> None:
        """Write the label map and the overlay of a frame, where they are asked for."""
        if self._settings.label_maps:
            self._write(LABELS, shot, ".png", _map_of(result))
        if self._settings.overlays:
            self._write(OVERLAYS, shot, ".jpg", draw(shot.frame.image, result, self._segmenter.spec))

    def _write(self, kind: str, shot: _Shot, suffix: str, image: NDArray[Any]) -> None:
        stem = self._parts.folder / kind / shot.file.name
        if shot.frame.name is None:  # of a video
            path = stem / f"{shot.index:0{INDEX_DIGITS}d}{suffix}"
        else:
            page = "" if shot.frame.page is None else f"-{shot.frame.page:0{INDEX_DIGITS}d}"
            path = stem.with_name(stem.name + page + suffix)
        make_folder(path.parent)
        write_whole(path, encode_image(path, image))

    def close(self) -> None:
        """Close the engine."""
        self._segmenter.close()

    def __enter__(self) -> Worker:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _map_of(result: Result) -> NDArray[np.uint8] | NDArray[np.uint16]:
    return result.labels if isinstance(result, SemanticResult) else instance_map(result)


def _opened(path: Path, span: Span | None, taken: InputSpec) -> Source:
    if span is None:
        return open_source(path if path.is_absolute() else Path(".", path), taken)
    return VideoSource.file(path, begin=span.stamp, passed=span.index)


def _kept(prepared: Prepared) -> Prepared:
    """Copy what is valid only until the next frame is prepared."""
    return Prepared(prepared.image.copy(), prepared.placement)


def _place(row: Row, piece: Piece) -> tuple[int, int]:
    """Order rows by file and frame; those of a file as a whole come behind its frames."""
    names = [file.name for file in piece.files]
    index = row.get("index")
    return names.index(row["source"]), 1 << 62 if index is None else index
