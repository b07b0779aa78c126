from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from edgeseg.errors import BaselineError, UsageError
from edgeseg.machine import Machine
from edgeseg.runtime.profiling.check import (
    circumstances,
    refuse_other,
    refuse_regression,
    slowdowns,
    verdict,
)
from edgeseg.runtime.profiling.report import FrameSettings
from edgeseg.runtime.profiling.surroundings import Disturbance

from .reports import a_profile
from .test_disturbances import QUIET


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
        ({"sizes_hw": ((48, 64), (96, 128))}, "frame 64x48, now 64x48 to 128x96"),
        ({"frames": FrameSettings(tiles="3x2")}, "tiles None, now 3x2"),
        ({"frames": FrameSettings(crf_threads=2)}, "threads of the CRF None, now 2"),
        ({"scenario": "offline"}, "scenario single-stream, now offline"),
    ],
)
def test_a_baseline_of_something_else_is_refused(change: dict[str, object], message: str) -> None:
    now = circumstances(dataclasses.replace(a_profile(), **change))
    with pytest.raises(UsageError, match=message) as caught:
        refuse_other(now, a_profile())
    assert "--check-anyway" in str(caught.value)


def test_another_version_of_a_library_is_what_a_check_is_for() -> None:
    refuse_other(circumstances(dataclasses.replace(a_profile(), backend_version="2")), a_profile())


def test_a_file_is_the_same_by_any_of_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "street.mp4").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    relative = dataclasses.replace(a_profile(), source="street.mp4")
    absolute = dataclasses.replace(a_profile(), source=str(tmp_path / "street.mp4"))
    refuse_other(circumstances(relative), absolute)
    with pytest.raises(UsageError, match=r"source .*street\.mp4, now rtsp://a//b"):
        refuse_other(circumstances(dataclasses.replace(a_profile(), source="rtsp://a//b")), absolute)


def test_what_is_refined_is_not_compared_with_what_is_not() -> None:
    refined = dataclasses.replace(a_profile(), stages={**a_profile().stages, "crf": a_profile().latency_ms})
    with pytest.raises(UsageError, match="stages preprocess, infer, now preprocess, infer, crf"):
        refuse_other(circumstances(refined), a_profile())


def test_no_more_is_claimed_than_the_interval_allows() -> None:
    calm = slowdowns(a_profile(samples=400, seed=1), a_profile(samples=400, seed=2))
    assert verdict(calm, 10.0).startswith("not slower than the baseline by more than 10 %: capture to result")
    noisy = tuple(
        dataclasses.replace(each, ratio=dataclasses.replace(each.ratio, low=0.25, high=2.5)) for each in calm
    )
    refuse_regression(noisy, 10.0)
    line = verdict(noisy, 10.0)
    assert "no slowdown of more than 10 % beyond noise, but the interval does not exclude one: " in line
    assert "(-75.0 to +150.0 %); measure again when the machine is quiet, or with more --frames" in line


def test_a_slowdown_of_a_disturbed_run_says_so() -> None:
    quota = Disturbance("quota", "the control group's quota held it back 62 % of the time", 62.0)
    seen = dataclasses.replace(QUIET, disturbances=(quota,))
    slower = dataclasses.replace(a_profile(scale=2.0, seed=1), surroundings_of={"infer_ms": seen})
    found = slowdowns(slower, a_profile(seed=2))
    with pytest.raises(BaselineError) as caught:
        refuse_regression(found, 10.0)
    line = str(caught.value)
    latency, _, alone = line.partition("inference alone takes")
    assert "disturbed" not in latency
    assert "disturbed: now the control group's quota held it back 62 % of the time" in alone
    assert line.endswith("10 % are allowed; measure again when the machine is quiet")
    (_, alone_again) = slowdowns(a_profile(seed=2), slower)
    assert "disturbed: in the baseline the control group's quota" in str(alone_again)


def test_too_few_samples_are_refused_with_what_to_do() -> None:
    few = dataclasses.replace(a_profile(), samples_ms={"latency_ms": (1.0,), "infer_ms": (1.0,)})
    with pytest.raises(UsageError, match=r"the baseline has 1 samples, 5 are needed.*--frames"):
        slowdowns(a_profile(), few)
