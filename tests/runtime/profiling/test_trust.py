from __future__ import annotations

import dataclasses
import json

from edgeseg.runtime.profiling.ceilings import Ceilings
from edgeseg.runtime.profiling.page import html_page
from edgeseg.runtime.profiling.report import Profile, Warmup
from edgeseg.runtime.profiling.surroundings import Disturbance
from edgeseg.runtime.profiling.trust import reasons_for_doubt
from edgeseg.runtime.profiling.watch import Watch

from .full_profiles import layer_profile_of
from .reports import a_profile
from .test_disturbances import QUIET


def test_a_long_quiet_run_leaves_no_doubt() -> None:
    assert reasons_for_doubt(a_profile(samples=700)) == ()


def test_each_part_that_was_disturbed_is_named() -> None:
    seen = dataclasses.replace(QUIET, disturbances=(Disturbance("quota", "a quota held it back", 62.0),))
    ceilings = Ceilings({"fp32": 1.0}, 1.0, 1, seen)
    layers = dataclasses.replace(layer_profile_of(), ceilings=ceilings)
    report = dataclasses.replace(
        a_profile(samples=700), layers=layers, surroundings_of={"infer_ms": seen, "layers": seen}
    )
    assert reasons_for_doubt(report) == (
        "while inference alone was timed, a quota held it back",
        "while layers were timed, ceilings included, a quota held it back",
        "while the ceilings were measured, a quota held it back",
    )
    value = json.loads(json.dumps(report.to_json_value()))
    assert Profile.from_json_value(value).watched == report.watched
    assert "Nothing that was watched disturbed" not in html_page(report)


def test_each_reason_is_a_line() -> None:
    with Watch() as watch:
        pass
    busy = dataclasses.replace(
        watch.surroundings(), disturbances=(Disturbance("others", "other programs took 31 %", 31.0),)
    )
    report = dataclasses.replace(
        a_profile(samples=70), warmup=Warmup(12, 10.0, steady=False), surroundings=busy
    )
    few, warm, disturbed = reasons_for_doubt(report)
    assert few == "70 samples are too few: p99 needs 662 by MLPerf's count; add --frames 662"
    assert "not become steady after 12 frames" in warm
    assert disturbed == "the run was disturbed: other programs took 31 %"
