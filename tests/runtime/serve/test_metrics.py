from __future__ import annotations

import pytest

from edgeseg.runtime.serve.metrics import exposition

from .sites import GATE, YARD


def test_prometheus_reads_the_figures_of_every_stream() -> None:
    parser = pytest.importorskip("prometheus_client.parser", reason="needs the extra serve")
    text, kind = exposition(lambda: (GATE, YARD))
    assert kind.startswith("text/plain")
    samples = {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in parser.text_string_to_metric_families(text.decode())
        for sample in family.samples
    }
    gate = ("stream", "gate")
    assert samples["edgeseg_frames_offered_total", gate] == 12
    assert samples["edgeseg_results_total", gate] == 10
    assert samples["edgeseg_frames_dropped_total", ("cause", "busy"), gate] == 2
    assert samples["edgeseg_latency_seconds", ("quantile", "0.99"), gate] == pytest.approx(0.040)
    assert samples["edgeseg_stage_seconds", ("quantile", "0.5"), ("stage", "infer"), gate] == pytest.approx(
        0.015
    )
    assert samples["edgeseg_longest_outage_seconds", gate] == 4.5
    assert samples["edgeseg_sink_retries_total", ("sink", "gate.mp4"), gate] == 2
    assert samples["edgeseg_sink_waiting", ("sink", "gate.mp4"), gate] == 3
    assert samples["edgeseg_sink_failing", ("sink", "gate.mp4"), gate] == 1
    assert samples["edgeseg_source_state", ("state", "live"), gate] == 1
    assert samples["edgeseg_source_state", ("state", "live"), ("stream", "yard")] == 0
    assert samples["edgeseg_source_state", ("state", "waiting"), ("stream", "yard")] == 1
