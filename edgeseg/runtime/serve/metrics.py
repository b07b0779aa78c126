"""Turn the status of streams into metrics for Prometheus."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from edgeseg.extras import require
from edgeseg.runtime.profiling.timing import MS_PER_S, Summary
from edgeseg.runtime.status import SinkState, SourceState, StreamStatus

QUANTILES = {"0.5": "p50", "0.9": "p90", "0.99": "p99"}


def exposition(status: Callable[[], Sequence[StreamStatus]]) -> tuple[bytes, str]:
    """Give the metrics of streams as text, and its content type.

    Raises:
        MissingExtraError: if prometheus-client is not installed.
    """
    client = require("prometheus_client", "serve")
    registry = client.CollectorRegistry(auto_describe=False)
    registry.register(_Collector(status))
    return client.generate_latest(registry), client.CONTENT_TYPE_LATEST


class _Collector:
    """What prometheus_client asks for the figures of this moment."""

    def __init__(self, status: Callable[[], Sequence[StreamStatus]]) -> None:
        self._status = status

    def collect(self) -> Iterable[Any]:
        core = require("prometheus_client.core", "serve")
        streams = self._status()

        def counter(name: str, text: str, labels: Sequence[str] = ()) -> Any:
            return core.CounterMetricFamily(f"edgeseg_{name}", text, labels=["stream", *labels])

        def gauge(name: str, text: str, labels: Sequence[str] = ()) -> Any:
            return core.GaugeMetricFamily(f"edgeseg_{name}", text, labels=["stream", *labels])

        offered = counter("frames_offered", "Frames that the source gave, or that are known to be missing.")
        results = counter("results", "Frames that have a result.")
        drops = counter("frames_dropped", "Frames without a result, by cause.", ["cause"])
        outages = counter("outages", "How often the source went down.")
        longest = gauge("longest_outage_seconds", "The longest time without a frame, between two frames.")
        recoveries = counter("recoveries", "How often the source came back.")
        state = gauge("source_state", "1 for the state that the source is in.", ["state"])
        rate = gauge("results_per_second", "Results a second, lately.")
        latency = gauge("latency_seconds", "Capture to result.", ["quantile"])
        stages = gauge("stage_seconds", "Durations of a stage.", ["stage", "quantile"])
        shed = gauge("shed", "Things that are done less to keep within the budget of time.")
        written = counter("sink_results", "Results that the sink took.", ["sink"])
        lost = counter("sink_dropped", "Results that the sink could not take.", ["sink"])
        retries = counter("sink_retries", "Attempts of the sink after a failure.", ["sink"])
        queued = gauge("sink_waiting", "Results in the queue of the sink.", ["sink"])
        failing = gauge("sink_failing", "1 while the sink fails.", ["sink"])
        for stream in streams:
            name, source = stream.name, stream.source
            offered.add_metric([name], source.offered)
            results.add_metric([name], stream.results)
            outages.add_metric([name], source.outages)
            recoveries.add_metric([name], source.recoveries)
            longest.add_metric([name], source.longest_outage_s)
            rate.add_metric([name], stream.fps)
            shed.add_metric([name], len(stream.shed))
            for cause, count in source.drops.items():
                drops.add_metric([name, cause.value], count)
            for each in SourceState:
                state.add_metric([name, each.value], float(source.state is each))
            if stream.latency_ms is not None:
                _add(latency, [name], stream.latency_ms)
            for stage, summary in stream.stages.items():
                _add(stages, [name, stage], summary)
            for sink in stream.sinks:
                written.add_metric([name, sink.name], sink.written)
                lost.add_metric([name, sink.name], sink.dropped)
                retries.add_metric([name, sink.name], sink.retries)
                queued.add_metric([name, sink.name], sink.waiting)
                failing.add_metric([name, sink.name], float(sink.state is SinkState.FAILING))
        counters = (offered, results, drops, outages, recoveries, written, lost, retries)
        return (*counters, state, longest, rate, latency, stages, shed, queued, failing)


def _add(family: Any, labels: list[str], summary: Summary) -> None:
    for quantile, percentile in QUANTILES.items():
        family.add_metric([*labels, quantile], getattr(summary, percentile) / MS_PER_S)
