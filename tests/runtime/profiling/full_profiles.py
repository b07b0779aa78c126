"""Profiles of an engine that nobody ran: durations from a seed, and layers of a small network."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from edgeseg.machine import Machine
from edgeseg.runtime.profiling.ceilings import Ceilings
from edgeseg.runtime.profiling.comparison import Comparison, pairs_of
from edgeseg.runtime.profiling.energy import Energy, Rail
from edgeseg.runtime.profiling.layers import LayerGroup, LayerProfile, LayerTime
from edgeseg.runtime.profiling.report import FrameTimeline, Profile, StageSpan, Warmup
from edgeseg.runtime.profiling.roofline import least_time
from edgeseg.runtime.profiling.statistics import distribution
from edgeseg.runtime.profiling.surroundings import Disturbance, Spread, Surroundings

STAGES_MS = {"preprocess": 0.6, "infer": 14.0, "postprocess": 1.1, "crf": 4.0}
TIMELINE_FRAMES = 10
CEILINGS = Ceilings({"fp32": 61.0, "int8": 190.0}, 11.2, 2)
NODES = 40


def profile_of(
    frames: int = 200,
    *,
    streams: int = 1,
    engine: str = "unet-int8",
    names: tuple[str, ...] = (),
    layers: bool = True,
    disturbed: bool = True,
) -> Profile:
    """Make a profile.

    Args:
        names: of the first nodes, instead of ordinary ones; each is its operator and its module, too.
    """
    rng = np.random.default_rng(0)
    stages = {name: mean * rng.lognormal(0, 0.06, frames) for name, mean in STAGES_MS.items()}
    stages["infer"][rng.integers(0, frames, 3)] *= 1.6
    latency = np.sum(list(stages.values()), axis=0)
    infer = 13.6 * rng.lognormal(0, 0.04, frames)
    return Profile(
        scenario="multi-stream" if streams > 1 else "single-stream",
        meaning={
            "latency_ms": "from a frame in memory to its result in memory",
            "infer_ms": "from the prepared input in host memory to the outputs in host memory",
        },
        latency_ms=distribution(latency.tolist()),
        infer_ms=distribution(infer.tolist()),
        sink_ms=None,
        stages={name: distribution(samples.tolist()) for name, samples in stages.items()},
        samples_needed={"p50": 11, "p90": 64, "p99": 662},
        samples_ms={"latency_ms": tuple(latency.tolist()), "infer_ms": tuple(infer.tolist())},
        timeline=_timeline(stages, streams),
        throughput_fps=1000 / float(latency.mean()),
        load_ms=212.0,
        first_result_ms=251.0,
        peak_rss_mb=187.0,
        gpu_memory_mb=None,
        engine=engine,
        backend="onnxruntime",
        backend_version="1.32.0",
        device="cpu",
        precision="int8",
        model_sha256="9f" * 32,
        threads=2,
        batch=1,
        streams=streams,
        source="synthetic:640x480",
        live=False,
        frame_hw=(480, 640),
        distinct_frames=16,
        drops=0,
        warmup=Warmup(34, 0.7, True),
        started_at="2026-11-26T09:00:00+00:00",
        machine=Machine("Linux 6.1 x86_64", "Example CPU at 2.1 GHz", 2, None, 2100.0),
        warnings=("p99 has 200 samples and wants 662",),
        surroundings=_surroundings(disturbed),
        layers=layer_profile_of(names) if layers else None,
        energy=Energy(8.0, 96.0, 12.0, (Rail("package-0", "powercap", 96.0, None),)),
    )


def comparison_of(**engines: float) -> Comparison:
    """Make a comparison of engines by their names, each so many times as slow as `profile_of` says."""
    whole = profile_of(layers=False)
    rng = np.random.default_rng(2)
    profiles = []
    for name, times in engines.items():
        samples = {
            span: tuple((times * np.array(each) * rng.normal(1, 0.01, len(each))).tolist())
            for span, each in whole.samples_ms.items()
        }
        profiles.append(replace(whole, engine=name, samples_ms=samples))
    return Comparison(tuple(profiles), pairs_of(profiles), whole.latency_ms.samples)


def layer_profile_of(names: tuple[str, ...] = ()) -> LayerProfile:
    """Make a profile of NODES nodes, of which every fourth has no arithmetic."""
    rng = np.random.default_rng(1)
    layers = []
    for number in range(NODES):
        name = names[number] if number < len(names) else ""
        mbytes = float(rng.uniform(0.2, 4))
        gflop = 0.0 if number % 4 == 3 else mbytes * float(10 ** rng.uniform(-2.5, -1))
        precision = "fp32" if number % 3 == 0 else "int8"
        least = least_time(gflop, mbytes, precision, CEILINGS)
        assert least is not None
        efficiency = float(rng.uniform(0.3, 0.95))
        time_ms = least.time_ms / efficiency
        layers.append(
            LayerTime(
                name=name or f"/encoder/stage{number // 10}/block{number % 10}/conv/Conv_quant",
                operator=name or ("Conv" if gflop else "Resize"),
                module=name or f"encoder.stage{number // 10}.block{number % 10}",
                precision=precision,
                time_ms=time_ms,
                share=0.0,
                gflop=gflop,
                mbytes=mbytes,
                gflops=1000 * gflop / time_ms,
                gbs=mbytes / time_ms,
                roofline_ms=least.time_ms,
                bound=least.bound,
                efficiency=efficiency,
            )
        )
    total = sum(layer.time_ms for layer in layers)
    layers = [LayerTime(**{**vars(layer), "share": layer.time_ms / total}) for layer in layers]
    roof = sum(layer.roofline_ms or 0.0 for layer in layers)
    return LayerProfile(
        backend="onnxruntime",
        device="cpu",
        threads=2,
        layers=tuple(layers),
        operators=_groups(layers, [layer.operator for layer in layers]),
        modules=_groups(layers, [layer.module or "" for layer in layers]),
        ceilings=CEILINGS,
        runs=20,
        layers_ms=total,
        profiled_ms=total * 1.06,
        unprofiled_ms=total * 1.01,
        mapped_share=0.98,
        gflop=sum(layer.gflop or 0.0 for layer in layers),
        mbytes=sum(layer.mbytes or 0.0 for layer in layers),
        roofline_ms=roof,
        efficiency=roof / total,
        notes=("Of fused nodes the module is that which computes most.",),
    )


def _groups(layers: list[LayerTime], names: list[str]) -> tuple[LayerGroup, ...]:
    groups = []
    for name in dict.fromkeys(names):
        held = [layer for layer, own in zip(layers, names, strict=True) if own == name]
        groups.append(
            LayerGroup(
                name,
                len(held),
                sum(layer.time_ms for layer in held),
                sum(layer.share for layer in held),
                sum(layer.gflop or 0.0 for layer in held),
                sum(layer.mbytes or 0.0 for layer in held),
            )
        )
    return tuple(sorted(groups, key=lambda group: -group.time_ms))


def _timeline(stages: dict[str, np.ndarray], streams: int) -> tuple[FrameTimeline, ...]:
    timelines = []
    clocks_ms = [3.0 * stream for stream in range(streams)]
    for frame in range(min(TIMELINE_FRAMES, len(stages["infer"]))):
        for stream in range(streams):
            spans = []
            for name, samples in stages.items():
                spans.append(StageSpan(name, clocks_ms[stream], float(samples[frame])))
                clocks_ms[stream] += float(samples[frame])
            timelines.append(FrameTimeline(stream, frame, tuple(spans)))
    return tuple(timelines)


def _surroundings(disturbed: bool) -> Surroundings:
    disturbance = Disturbance("others", "others took 31 % of the cores", 31.0)
    return Surroundings(
        seconds=8.1,
        samples=33,
        watching_percent=0.2,
        cores=(0, 1),
        clock_mhz=Spread(2090.0, 2100.0, 2100.0),
        clock_limit_mhz=2100.0,
        governor=None,
        temperatures_c={"package": Spread(51.0, 60.0, 64.0)},
        throttling={},
        others_percent=31.0 if disturbed else 0.4,
        steal_percent=0.0,
        waiting_percent=12.0 if disturbed else 0.1,
        quota_cores=None,
        held_back_percent=None,
        pressure_percent={"cpu": 14.0},
        swapped_mb=0.0,
        huge_pages="madvise",
        gpu_clock_mhz=None,
        disturbances=(disturbance,) if disturbed else (),
    )
