from __future__ import annotations

from edgeseg.runtime.streams.failures import FAILING_S, Failures


def test_a_stream_fails_when_nothing_could_be_computed_for_some_seconds():
    failures = Failures()
    assert [failures.add(at_s) for at_s in (0, 0.5 * FAILING_S, FAILING_S)] == [False, False, True]
    assert failures.count == 3


def test_a_result_in_between_begins_anew():
    failures = Failures()
    failures.add(0)
    failures.add(1)
    failures.end()
    assert [failures.add(at_s) for at_s in (FAILING_S, FAILING_S + 1, FAILING_S + 2)] == [False] * 3
    assert failures.count == 5


def test_two_failures_with_an_outage_between_are_too_few():
    failures = Failures()
    assert [failures.add(0), failures.add(100 * FAILING_S)] == [False, False]
