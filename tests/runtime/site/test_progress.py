from __future__ import annotations

from edgeseg.runtime.site.progress import Progress
from edgeseg.runtime.status import SourceState, SourceStatus, StreamStatus


def stream(name: str, *, results: int, waiting: int) -> StreamStatus:
    return StreamStatus(name, SourceStatus(name, SourceState.LIVE, waiting=waiting), results=results)


def test_results_are_progress_and_frames_that_wait_for_none_are_not() -> None:
    progress = Progress()
    assert progress.made([stream("a", results=0, waiting=0)])  # no camera is up yet
    assert progress.made([stream("a", results=1, waiting=1)])
    assert not progress.made([stream("a", results=1, waiting=1)])
    assert not progress.made([stream("a", results=1, waiting=1), stream("b", results=0, waiting=0)])
    assert progress.made([stream("a", results=1, waiting=1), stream("b", results=1, waiting=0)])
    assert progress.made([stream("a", results=1, waiting=0), stream("b", results=1, waiting=0)])
