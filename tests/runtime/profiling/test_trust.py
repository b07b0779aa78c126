from __future__ import annotations

import dataclasses

from edgeseg.runtime.profiling.report import Warmup
from edgeseg.runtime.profiling.surroundings import Disturbance
from edgeseg.runtime.profiling.trust import reasons_for_doubt
from edgeseg.runtime.profiling.watch import Watch

from .reports import a_profile


def test_a_long_quiet_run_leaves_no_doubt() -> None:
    assert reasons_for_doubt(a_profile(samples=700)) == ()


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
