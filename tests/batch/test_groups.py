"""Groups of tasks hold each once, in order, and few where these are long or the end is near."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from edgeseg.batch.groups import GROUPS_LEFT, MOST_FRAMES, groups
from edgeseg.batch.piece import Piece
from edgeseg.batch.task import Task


def tasks_of(frames: Sequence[int]) -> list[Task]:
    return [Task(Piece((), frames=count)) for count in frames]


@pytest.mark.parametrize("count", [0, 1, 2, 15, 16, 17, 1000])
@pytest.mark.parametrize("workers", [1, 2, 7])
def test_each_task_is_in_one_group_in_its_order(count: int, workers: int) -> None:
    found = list(groups(tasks_of([9] * count), workers))
    assert [number for group in found for number in group] == list(range(count))
    assert all(found)


def test_groups_hold_few_frames_and_become_smaller_towards_the_end() -> None:
    sizes = [len(group) for group in groups(tasks_of([16] * 400), workers=2)]
    assert max(sizes) == sizes[0] == MOST_FRAMES // 16
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[-2 * GROUPS_LEFT :] == [1] * (2 * GROUPS_LEFT)


def test_a_long_task_is_a_group_of_its_own() -> None:
    assert [len(group) for group in groups(tasks_of([512, 1, 512] + [1] * 200), workers=1)][:3] == [1, 1, 1]


def test_as_many_workers_as_tasks_get_one_each() -> None:
    assert [len(group) for group in groups(tasks_of([1] * 24), workers=24)] == [1] * 24
