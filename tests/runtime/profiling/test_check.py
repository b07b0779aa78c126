from __future__ import annotations

import dataclasses

import pytest

from edgeseg.errors import BaselineError
from edgeseg.machine import Machine
from edgeseg.runtime.profiling.check import refuse_other, refuse_regression, slowdowns

from .reports import a_profile


def test_a_run_like_the_baseline_passes() -> None:
    refuse_regression(slowdowns(a_profile(seed=1), a_profile(seed=2)), 10.0)


def test_a_slower_run_is_refused_in_one_line_with_how_much() -> None:
    found = slowdowns(a_profile(scale=1.3, seed=1), a_profile(seed=2))
    assert [round(each.percent, -1) for each in found] == [30, 30]
    with pytest.raises(BaselineError, match=r"slower than the baseline: capture to result takes \+[23]"):
        refuse_regression(found, 10.0)
    refuse_regression(found, 50.0)


def test_a_slowdown_that_noise_explains_passes() -> None:
    few = dataclasses.replace(
        a_profile(), samples_ms={"latency_ms": (10.0, 30.0, 11.0, 31.0, 12.0), "infer_ms": (10.0,) * 5}
    )
    slower = dataclasses.replace(
        few, samples_ms={"latency_ms": (10.0, 30.0, 31.0, 31.0, 12.0), "infer_ms": (10.0,) * 5}
    )
    found = slowdowns(slower, few)
    assert found[0].percent > 100
    refuse_regression(found, 10.0)


def test_a_faster_run_passes() -> None:
    refuse_regression(slowdowns(a_profile(scale=0.5), a_profile()), 0.0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"machine": Machine("Linux", "another", 4, None, None)}, "processor a processor, now another"),
        ({"model_sha256": "1" * 64}, "model 000000000000, now 111111111111"),
        ({"backend": "openvino"}, "backend fake, now openvino"),
        ({"threads": 1}, "threads 2, now 1"),
        ({"frame_hw": (96, 128)}, "frame 64x48, now 128x96"),
        ({"scenario": "offline"}, "scenario single-stream, now offline"),
    ],
)
def test_a_baseline_of_something_else_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(BaselineError, match=message) as caught:
        refuse_other(dataclasses.replace(a_profile(), **change), a_profile())
    assert "--check-anyway" in str(caught.value)


def test_another_version_of_a_library_is_what_a_check_is_for() -> None:
    refuse_other(dataclasses.replace(a_profile(), backend_version="2"), a_profile())


def test_too_few_samples_are_refused_with_what_to_do() -> None:
    few = dataclasses.replace(a_profile(), samples_ms={"latency_ms": (1.0,), "infer_ms": (1.0,)})
    with pytest.raises(BaselineError, match=r"the baseline has 1 samples, 5 are needed.*--frames"):
        slowdowns(a_profile(), few)
