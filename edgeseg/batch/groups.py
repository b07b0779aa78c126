"""Part tasks into groups that a worker gets at once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from edgeseg.batch.task import Task

MOST_FRAMES = 64  # of a group of several tasks
GROUPS_LEFT = 8  # for each worker, at least, as long as groups have several tasks


def groups(tasks: Sequence[Task], workers: int) -> Iterator[range]:
    """Part tasks into groups: smaller ones towards the end, so that all workers end together.

    They are for whoever pays for each group, whatever is in it: of Ray's driver it takes some milliseconds.

    Yields:
        Numbers of tasks, one after another.
    """
    begin = end = 0
    while end < len(tasks):
        most = max(1, (len(tasks) - begin) // (GROUPS_LEFT * workers))
        frames = 0
        while end < len(tasks) and end - begin < most:
            frames += tasks[end].piece.frames
            if end > begin and frames > MOST_FRAMES:
                break
            end += 1
        yield range(begin, end)
        begin = end
