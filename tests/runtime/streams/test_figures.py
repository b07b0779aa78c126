from __future__ import annotations

from edgeseg.runtime.status import DropCause, SourceState, SourceStatus
from edgeseg.runtime.streams.failures import FAILING_S
from edgeseg.runtime.streams.figures import Figures

SOURCE = SourceStatus("camera", SourceState.LIVE, offered=9, drops={DropCause.BUSY: 2})


def test_results_and_drops_are_counted():
    figures = Figures()
    figures.add(0.1, 1.0)
    figures.add(0.3, 2.0)
    figures.fail(7, ValueError("no such thing"), 3.0)
    status = figures.status("gate", SOURCE, 1, 4.0)
    assert (status.name, status.results, status.error) == ("gate", 2, "frame 7: no such thing")
    assert status.latency_ms is not None
    assert status.latency_ms.samples == 2
    assert status.source.drops == {DropCause.BUSY: 2, DropCause.FAILED: 1, DropCause.STOPPED: 1}


def test_a_cause_that_dropped_nothing_is_left_out():
    assert Figures().status("gate", SOURCE, 0, 0.0).source.drops == {DropCause.BUSY: 2}


def test_a_result_ends_a_row_of_failures():
    figures = Figures()
    for at_s in (0.0, 1.0):
        figures.fail(0, ValueError(), at_s)
    figures.add(0.1, 2.0)
    assert not figures.fail(0, ValueError(), 2 * FAILING_S)


def test_why_it_ended_is_said_in_one_line():
    figures = Figures()
    figures.end(ValueError())
    assert figures.status("gate", SOURCE, 0, 0.0).error == "ValueError"
