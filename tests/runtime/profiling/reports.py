"""A report as a profile of a small engine would be."""

from __future__ import annotations

import numpy as np

from edgeseg.machine import Machine
from edgeseg.runtime.profiling.report import FrameTimeline, Profile, StageSpan, Warmup
from edgeseg.runtime.profiling.statistics import distribution


def a_profile(*, scale: float = 1.0, samples: int = 100, seed: int = 0) -> Profile:
    """Make a report whose durations are about 20 ms, times `scale`."""
    generator = np.random.default_rng(seed)
    latency = tuple((scale * (20 + generator.exponential(1.0, samples))).tolist())
    infer = tuple((scale * (15 + generator.exponential(0.5, samples))).tolist())
    spans = (StageSpan("preprocess", 0.0, 2.0), StageSpan("infer", 2.0, 15.0))
    return Profile(
        scenario="single-stream",
        meaning={"latency_ms": "begins with a frame, ends with its result"},
        latency_ms=distribution(latency),
        infer_ms=distribution(infer),
        sink_ms=distribution(latency),
        stages={"preprocess": distribution([2.0] * samples), "infer": distribution(infer)},
        samples_needed={"p50": 11, "p90": 64, "p99": 662},
        samples_ms={"latency_ms": latency, "infer_ms": infer, "sink_ms": latency},
        timeline=(FrameTimeline(0, 0, spans),),
        throughput_fps=1000 / (21 * scale),
        load_ms=100.0,
        first_result_ms=130.0,
        peak_rss_mb=200.0,
        gpu_memory_mb=None,
        engine="unet-engine",
        backend="fake",
        backend_version="1",
        device="cpu",
        precision="fp32",
        model_sha256="0" * 64,
        threads=2,
        batch=1,
        streams=1,
        source="synthetic:",
        live=False,
        frame_hw=(48, 64),
        distinct_frames=16,
        drops=0,
        warmup=Warmup(12, 0.3, steady=True),
        started_at="2026-01-01T00:00:00+00:00",
        machine=Machine("Linux", "a processor", 4, None, None),
    )
