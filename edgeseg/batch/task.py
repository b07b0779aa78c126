"""Say what a process is asked to do with a piece of an archive, and what it may answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from edgeseg.batch.piece import Piece

TRIES = 3  # of what a process died of; then it is that which kills


@dataclass(frozen=True)
class Task:
    """What a process is asked for: to segment a piece and to write its part, if no more is said.

    Units of a piece are its files, by their places; the samples of its part of a shard, by their numbers; a
    video, or a part of one, is one.

    Attributes:
        only: units that are segmented, and nothing is written: to see whether they can be.
        without: units that are left out, each with what its row says.
        counted: to say which units there are, and no more.
    """

    piece: Piece
    only: range | None = None
    without: Mapping[int, str] = field(default_factory=dict)
    counted: bool = False


@dataclass(frozen=True)
class Done:
    """What became of a piece.

    Attributes:
        frames: that have results.
        errors: rows without.
        passing: one of these blames what is not in its file, so that the next run tries again.
        notes: on files that were read otherwise than a user might expect, a line each.
    """

    frames: int
    errors: int
    passing: bool = False
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Lost:
    """That nothing came of a task: its process died, or failed in a way that nobody has thought of.

    Attributes:
        reason: a sentence.
    """

    reason: str


Outcome = Done | Lost | range
"""`range` are the units of a piece, where these were asked for."""


class Doers(Protocol):
    """Processes that do tasks, here or elsewhere."""

    def do(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """Do tasks, each once; gives them as they are done, in any order.

        One whose process died is given to another; one that TRIES processes died of is lost.

        Raises:
            EdgesegError: what a process raised that is no fault of the archive: the engine cannot be opened
                or fails, results cannot be written.
        """
