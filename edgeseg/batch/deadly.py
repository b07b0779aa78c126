"""Do pieces by processes, find what of them kills its process, and do all the rest of these pieces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from edgeseg.batch.parts import Parts
from edgeseg.batch.piece import Piece
from edgeseg.batch.task import Doers, Done, Lost, Task
from edgeseg.errors import EngineError, name_a_few

SHARES = 16  # that units are done in, to find those among them that are lost
MOST_LOST = 32  # new pieces before any is done: then it is nothing in them that kills


class Survivors:
    """What can be done of pieces, whatever kills the processes that do them.

    A lost piece is done in shares, and those that are lost in smaller ones, until units are found that are
    lost alone. The piece is done again without them, and rows say what they did. These are tried again by
    the next run; so what is there already is tried last, and kept where nothing comes of it.

    Args:
        parts: of the results.
        proven: others of the archive's pieces have results by the same engine.
    """

    def __init__(self, doers: Doers, parts: Parts, *, proven: bool = False) -> None:
        self._doers = doers
        self._parts = parts
        self._proven = proven
        self._there: frozenset[Piece] = frozenset()
        self._again = parts.to_retry()
        self._any_done = False

    def do(self, pieces: Sequence[Piece]) -> Iterator[tuple[Piece, Done]]:
        """Segment pieces, each once; gives them as they are done, in any order.

        Raises:
            EngineError: if all of the archive is lost, or MOST_LOST before any is done; all stays unwritten.
            EdgesegError: as `Doers.do`.
        """
        lost: dict[Piece, str] = {}
        self._there = self._with_results(pieces)
        for task, outcome in self._doers.do([Task(piece) for piece in sorted(pieces, key=self._is_there)]):
            if isinstance(outcome, Done):
                yield self._done(task.piece, outcome)
            elif isinstance(outcome, Lost):
                lost[task.piece] = outcome.reason
                if sum(not self._is_there(piece) for piece in lost) == MOST_LOST:
                    self._refuse_if_all_are(lost)
        if lost:
            yield from self._without_deadly(lost)

    def _with_results(self, pieces: Sequence[Piece]) -> frozenset[Piece]:
        names = {piece: self._parts.path(piece).name for piece in pieces}
        there = self._parts.there().intersection(names.values())
        whole = {name for name in there if self._parts.is_whole(name)}
        return frozenset(piece for piece, name in names.items() if name in whole)

    def _without_deadly(self, lost: Mapping[Piece, str]) -> Iterator[tuple[Piece, Done]]:
        divisible = {piece: units for piece, units in self._units(lost).items() if len(units) > 1}
        deadly = self._deadly(divisible)
        if not self._proven:
            self._refuse_if_all_are(lost)
        again = [piece for piece in divisible if self._any_done or not self._is_there(piece)]
        for task, outcome in self._doers.do([Task(piece, without=deadly[piece]) for piece in again]):
            if isinstance(outcome, Done):
                yield self._done(task.piece, outcome)
            elif isinstance(outcome, Lost):
                yield self._given_up(task.piece, outcome.reason)
        for piece in lost.keys() - again:
            yield self._given_up(piece, lost[piece])

    def _units(self, pieces: Mapping[Piece, str]) -> Mapping[Piece, range]:
        """Say which units pieces have; one for those that cannot even be counted."""
        known = {piece: piece.units for piece in pieces}
        units = {piece: found for piece, found in known.items() if found is not None}
        unknown = [Task(piece, counted=True) for piece, found in known.items() if found is None]
        for task, outcome in self._doers.do(unknown):
            units[task.piece] = outcome if isinstance(outcome, range) else range(1)
        return units

    def _deadly(self, pieces: Mapping[Piece, range]) -> Mapping[Piece, Mapping[int, str]]:
        """Find the units that are lost alone, each with what became of its process."""
        deadly: dict[Piece, dict[int, str]] = {piece: {} for piece in pieces}
        shares = list(pieces.items())
        while shares:
            tasks = [Task(piece, only=share) for piece, units in shares for share in _shares(units)]
            shares = []
            for task, outcome in self._doers.do(tasks):
                assert task.only is not None
                if isinstance(outcome, Done):
                    self._any_done = True
                elif isinstance(outcome, Lost) and len(task.only) == 1:
                    deadly[task.piece][task.only.start] = outcome.reason
                else:
                    shares.append((task.piece, task.only))
        return deadly

    def _refuse_if_all_are(self, lost: Mapping[Piece, str]) -> None:
        """Raise EngineError if nothing but these was tried, and there is something new among them."""
        new = [piece.files[0].name for piece in lost if not self._is_there(piece)]
        if new and not self._any_done:
            reason = next(iter(lost.values()))
            raise EngineError(
                f"nothing can be segmented of {name_a_few(new)}, and nothing was written: {reason}; does "
                "`edgeseg run` work with them, is there memory for as many processes (--workers), does "
                "something kill them?"
            )

    def _is_there(self, piece: Piece) -> bool:
        return piece in self._there

    def _done(self, piece: Piece, done: Done) -> tuple[Piece, Done]:
        self._any_done = True
        if not done.passing and self._parts.path(piece).name in self._again:
            self._parts.settle(piece)
        return piece, done

    def _given_up(self, piece: Piece, reason: str) -> tuple[Piece, Done]:
        """Write that a piece has no results, unless there are some."""
        if not self._is_there(piece):
            self._parts.put_error(piece, reason)
        return piece, Done(0, len(piece.files), passing=True)


def _shares(units: range) -> Iterator[range]:
    """Split units into SHARES or fewer."""
    step = -(-len(units) // SHARES)
    return (units[begin : begin + step] for begin in range(0, len(units), step))
