"""Choose the passes that make a graph faster in one backend, on this machine, by timing with and without."""

from __future__ import annotations

import dataclasses
import hashlib
import tempfile
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import onnx_ir as ir

from edgeseg.engines.candidates import inferring
from edgeseg.engines.facts import CPU
from edgeseg.engines.job import BuildJob, WriteFiles
from edgeseg.engines.registry import facts_of, versions_of
from edgeseg.engines.tuning import Call, Measured, measure
from edgeseg.errors import EdgesegError
from edgeseg.graph.cutting import CORNER, SIDE, cut_out
from edgeseg.graph.passes.catalogue import SPEED_PASSES, applied
from edgeseg.graph.passes.speed import Site
from edgeseg.graph.portable import PortableModel
from edgeseg.manifest import AppliedPass
from edgeseg.spec import GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

LEAST_GAIN = 1.05  # of a place alone: less is within what timing of single layers is good for
LEAST_GAIN_OF_ALL = 1.01  # of the whole network
ROUNDS = 2  # of timing the whole: in the second without the half of the places that gained least
DIGITS = 3  # of how many times faster a pass is
WITHOUT, WITH = {"pass": "no"}, {"pass": "yes"}

Passes = Mapping[str, AppliedPass]
"""Speed passes by their titles."""


def with_passes(job: BuildJob, write: WriteFiles | None) -> BuildJob:
    """Give the job with the graph that the passes make of its own: those it names, or those that win here.

    Args:
        write: the backend's, which makes engines at once; without it nothing is timed or changed.
    """
    if job.passes is None:
        may_choose = job.request.precision == "fp32" and job.request.device in (None, CPU)
        chosen = _chosen(job, write) if write is not None and may_choose else {}
        job = dataclasses.replace(job, passes=chosen)
    assert job.passes is not None
    return _changed(job, job.passes) if job.passes else job


def _chosen(job: BuildJob, write: WriteFiles) -> Passes:
    """Try one pass after the other on what those before it have made."""
    chosen: dict[str, AppliedPass] = {}
    for title in facts_of(job.request.backend).passes:
        job.on_step(f"measuring {title} in {job.request.backend}")
        model = _changed(job, chosen).model.model
        gains = {
            site.name: _gain(job, write, model, title, site) for site in SPEED_PASSES[title]().sites(model)
        }
        names = sorted(
            (name for name, gain in gains.items() if gain >= LEAST_GAIN), key=lambda name: -gains[name]
        )
        for _ in range(ROUNDS):
            if not names:
                break
            more = {**chosen, title: AppliedPass(tuple(names), 1.0)}
            times_faster = _ratio(job, write, _changed(job, chosen), _changed(job, more))
            if times_faster >= LEAST_GAIN_OF_ALL:
                chosen[title] = AppliedPass(tuple(names), round(times_faster, DIGITS))
                break
            names = names[: len(names) // 2]
    return chosen


def _changed(job: BuildJob, passes: Passes) -> BuildJob:
    if not passes:
        return job
    places = {title: applied_pass.places for title, applied_pass in passes.items()}
    model = PortableModel.of(applied(job.model.model, places), job.model.name)
    return dataclasses.replace(job, model=model)


def _gain(job: BuildJob, write: WriteFiles, model: ir.Model, title: str, site: Site) -> float:
    """Say how much faster a place is alone; what cannot be cut out is left to the timing of the whole."""
    cut = cut_out(model, site.nodes)
    if cut is None:
        return LEAST_GAIN
    graphs = (cut, applied(cut, {title: _all_sites(cut, title)}))
    models = [PortableModel.of(graph, job.model.name) for graph in graphs]
    image = np.zeros((1, SIDE, SIDE, 3), np.uint8)
    jobs = [dataclasses.replace(job, model=one, spec=_SPEC, image=image) for one in models]
    return _ratio(job, write, jobs[0], jobs[1])


def _all_sites(model: ir.Model, title: str) -> tuple[str, ...]:
    return tuple(site.name for site in SPEED_PASSES[title]().sites(model))


def _ratio(job: BuildJob, write: WriteFiles, before: BuildJob, after: BuildJob) -> float:
    """Time two graphs in turn; returns how many times faster the second is, 0 if it cannot be run."""
    key = {
        "before": before.model.sha256,
        "after": after.model.sha256,
        "backend": job.request.backend,
        "versions": " ".join(versions_of(job.request.backend)),
        "image": hashlib.sha256(before.image.tobytes()).hexdigest(),
        "threads": str(job.request.threads),
    }

    def timed() -> list[Measured]:
        with ExitStack() as opened:
            calls = [_opened(opened, one, write) for one in (before, after)]
            return measure(list(zip((WITHOUT, WITH), calls, strict=True)))

    try:
        times = {
            entry.options["pass"]: entry.median_ms
            for entry in job.timings.measured(key, (WITHOUT, WITH), timed)
        }
    except EdgesegError:  # a library may refuse what a pass makes; the graph as it is stands on its own
        return 0.0
    return times["no"] / times["yes"]


def _opened(opened: ExitStack, job: BuildJob, write: WriteFiles) -> Call:
    staging = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="edgeseg-")))
    job = dataclasses.replace(job, staging=staging)
    return opened.enter_context(inferring(job, write(job)))


_SPEC = ModelSpec(
    task="semantic",
    class_names=("background", "object"),
    input=InputSpec(SIDE, SIDE),
    graph=GraphSpec((0.0,) * 3, (1.0,) * 3),
    output_kind="logits",
    outputs=(OutputSpec("logits", "float32", CORNER),),
    source=Provenance("a place of a network"),
)
