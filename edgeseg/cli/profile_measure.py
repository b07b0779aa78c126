"""Open what `edgeseg profile` measures, and measure it: one engine, several cameras, several engines."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from edgeseg.cli.options import progress, status
from edgeseg.errors import UsageError

if TYPE_CHECKING:
    from edgeseg.runtime.profiling.assembly import Opened
    from edgeseg.runtime.profiling.comparison import Comparison
    from edgeseg.runtime.profiling.report import FrameSettings, Profile, Scenario
    from edgeseg.runtime.segmenter import Segmenter
    from edgeseg.runtime.sinks.base import Sink
    from edgeseg.runtime.sources.base import Source
    from edgeseg.spec import ModelSpec

CheckFiles = Callable[["Source"], None]
"""Refuses reports that would be written over what is read."""


@dataclass(frozen=True)
class Asked:
    """What the options say; see `edgeseg profile --help`."""

    source: str
    scenario: Scenario
    streams: int
    outputs: tuple[str, ...]
    frames: int
    warmup: int | None
    seconds: float | None
    crf: bool
    crf_threads: int
    budget_ms: float | None
    tiles: str | None
    tile_overlap: float
    device: str | None
    threads: int | None

    def of_frames(self) -> FrameSettings:
        """Say what of it a segmenter does beside its engine."""
        from edgeseg.runtime.profiling.report import FrameSettings

        return FrameSettings(
            tiles=self.tiles,
            tile_overlap=self.tile_overlap if self.tiles else None,
            crf_threads=self.crf_threads if self.crf else None,
            crf_budget_ms=self.budget_ms,
        )


def measure_one(engine: Path, asked: Asked, check: CheckFiles) -> Profile:
    """Profile one engine in the scenario that is asked for; overlays are drawn where OpenCV is installed."""
    if asked.scenario != "single-stream":
        return _measure_cameras(engine, asked, check)
    from edgeseg.opencv import is_installed
    from edgeseg.runtime.profiling.profile import profile
    from edgeseg.runtime.sources import open_source

    with _opened(engine, asked) as ((segmenter, *_), opened):
        total = None if asked.seconds else 2 * asked.frames
        with open_source(asked.source, segmenter.spec.input) as source, ExitStack() as closing:
            check(source)
            sinks = _open_sinks(asked.outputs, segmenter.spec, source, engine, closing)
            with progress("frames", total) as advance:
                return profile(
                    segmenter,
                    source,
                    warmup=asked.warmup,
                    frames=asked.frames,
                    seconds=asked.seconds,
                    sinks=sinks,
                    render=not sinks and is_installed() and segmenter.spec.input.takes_camera_frames,
                    opened=opened,
                    on_frame=advance,
                )


def _measure_cameras(engine: Path, asked: Asked, check: CheckFiles) -> Profile:
    from edgeseg.manifest import read_manifest
    from edgeseg.runtime.profiling.profile import offline_streams, profile_cameras
    from edgeseg.runtime.sources import open_source

    taken = read_manifest(engine).spec.input
    count = asked.streams if asked.scenario == "multi-stream" else offline_streams(taken.batch)
    with ExitStack() as closing:
        sources = [closing.enter_context(open_source(asked.source, taken))]
        if sources[0].live:
            if asked.scenario == "offline":
                raise UsageError(
                    f"{sources[0].name} is live, and offline all frames are there; use a recording, or "
                    "--scenario multi-stream"
                )
            sources += [closing.enter_context(open_source(asked.source, taken)) for _ in range(count - 1)]
        check(sources[0])
        segmenters, opened = closing.enter_context(_opened(engine, asked, count))
        total = None if asked.seconds else asked.frames * (count + 1)
        with progress("frames", total) as advance:
            return profile_cameras(
                segmenters,
                sources,
                scenario=asked.scenario,
                warmup=asked.warmup,
                frames=asked.frames,
                seconds=asked.seconds,
                opened=opened,
                on_frame=advance,
            )


def measure_pairs(engines: Sequence[Path], asked: Asked, check: CheckFiles) -> Comparison:
    """Compare engines, each opened once, in turn on the same frames."""
    from edgeseg.runtime.profiling.comparison import compare
    from edgeseg.runtime.sources import open_source

    with ExitStack() as closing:
        entered = [closing.enter_context(_opened(engine, asked)) for engine in engines]
        segmenters = [segmenter for (segmenter, *_), _ in entered]
        taken = [segmenter.spec.input for segmenter in segmenters]
        if len({(one.channels, one.dtype) for one in taken}) > 1:
            raise UsageError(
                "the engines take frames of different channels or types; compare those that agree"
            )
        total = None if asked.seconds else asked.frames * len(engines)
        with open_source(asked.source, taken[0]) as source, progress("frames", total) as advance:
            check(source)
            return compare(
                segmenters,
                source,
                [opened for _, opened in entered],
                warmup=asked.warmup,
                frames=asked.frames,
                seconds=asked.seconds,
                on_frame=advance,
            )


def with_layers(report: Profile, engine: Path, asked: Asked) -> Profile:
    """Add where the time of an inference goes, measured by the engine's own library."""
    from edgeseg.manifest import read_manifest
    from edgeseg.runtime.profiling.inputs import batches_of
    from edgeseg.runtime.profiling.layers import layer_profile
    from edgeseg.runtime.profiling.trust import reasons_for_doubt
    from edgeseg.runtime.profiling.watch import Watch
    from edgeseg.runtime.sources import open_source

    taken = read_manifest(engine).spec.input
    with open_source(asked.source, taken) as source:
        images = batches_of(source, taken)
    with status("time by layer, and what this machine can do at best"), Watch(report.device) as watch:
        layers = layer_profile(engine, images, device=asked.device, threads=asked.threads)
    seen = {**report.surroundings_of, "layers": watch.surroundings()}
    report = dataclasses.replace(report, layers=layers, surroundings_of=seen)
    return dataclasses.replace(report, warnings=reasons_for_doubt(report))


@contextmanager
def _opened(engine: Path, asked: Asked, count: int = 1) -> Iterator[tuple[list[Segmenter], Opened]]:
    """Open an engine once, with a segmenter for each camera."""
    from edgeseg.runtime.engine import Engine
    from edgeseg.runtime.profiling.assembly import Opened
    from edgeseg.runtime.segmenter import Segmenter, refinement_of
    from edgeseg.runtime.tiles.tiling import tiling_of

    start_s = time.perf_counter()
    with Engine.open(engine, device=asked.device, threads=asked.threads) as shared:
        load_ms = 1000 * (time.perf_counter() - start_s)
        segmenters = []
        for _ in range(count):
            refinement = None
            if asked.crf:
                refinement = refinement_of(
                    shared.spec, shared.spec.crf, threads=asked.crf_threads, budget_ms=asked.budget_ms
                )
            tiles = tiling_of(asked.tiles, asked.tile_overlap)
            segmenters.append(Segmenter(shared, refinement=refinement, tiles=tiles))
        name, frames = engine.resolve().name, asked.of_frames()
        yield segmenters, Opened(load_ms, name, asked.device, asked.threads, frames)


def _open_sinks(
    outputs: Sequence[str], spec: ModelSpec, source: Source, engine: Path, closing: ExitStack
) -> list[Sink]:
    """Open all outputs, to be closed with `closing`."""
    from edgeseg.runtime.sinks import check_outputs, open_sink, takes_one_image

    check_outputs(outputs, source, engine=engine)
    for output in outputs:
        if takes_one_image(output):
            raise UsageError(f"-o {output} is the picture of one frame, and many are measured; use .mp4")
    return [closing.enter_context(open_sink(output, spec, source)) for output in outputs]
