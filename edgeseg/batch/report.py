"""Say what a batch did."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edgeseg.batch.task import Done

MOST_NOTES = 5  # that are told


@dataclass(frozen=True)
class BatchReport:
    """What a run of a batch did.

    Attributes:
        files: of the archive.
        pieces: that it was split into.
        done_before: pieces that an earlier run had done.
        removed: parts of results that were removed, or that rows were taken out of: other results of these
            files, of changed ones or of another engine.
        kept: files, not of this archive, whose results stay.
        undated: files of stores that tell neither times nor checksums: a change that keeps their size is not
            seen.
        frames: segmented in this run.
        errors: rows of this run that say why a file, or a frame, has no result.
        again: parts of this run that the next does again: an error blames what is not in the file.
        seconds: this run took.
        workers: processes.
        left_out: files that are neither pictures nor videos nor shards by their names.
        unlisted: a line for each folder that could not be listed.
        noted: how many files and pictures of shards this run read otherwise than a user might expect.
        notes: a line for each of the first MOST_NOTES of them.
    """

    files: int
    pieces: int
    done_before: int
    removed: int
    frames: int
    errors: int
    seconds: float
    workers: int
    left_out: int
    again: int = 0
    kept: int = 0
    undated: int = 0
    unlisted: Sequence[str] = ()
    noted: int = 0
    notes: Sequence[str] = ()

    @property
    def frames_per_s(self) -> float:
        """Frames a second of this run."""
        return self.frames / self.seconds if self.seconds else 0.0


@dataclass
class Tally:
    """What came of the pieces that are done so far; see `BatchReport`."""

    frames: int = 0
    errors: int = 0
    again: int = 0
    noted: int = 0
    notes: list[str] = field(default_factory=list)

    def add(self, done: Done) -> None:
        """Count one more piece."""
        self.frames += done.frames
        self.errors += done.errors
        self.again += done.passing
        self.noted += len(done.notes)
        self.notes += done.notes[: MOST_NOTES - len(self.notes)]
