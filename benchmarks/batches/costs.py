"""Measure what each stage of a batch costs on this machine: a picture, a piece, a file of the plan.

In processor time, which other programs on the machine hardly change.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from edgeseg.batch import BatchSettings, parts, plan_batch
from edgeseg.batch.crew import Crew
from edgeseg.batch.groups import MOST_FRAMES
from edgeseg.batch.on_ray import OnRay
from edgeseg.batch.rows import row_of, schema, times_schema
from edgeseg.batch.shots import Reader, Shot
from edgeseg.batch.task import Task
from edgeseg.runtime import Segmenter

BYTES_PER_KB = 1000
MS_PER_S = 1000
TOGETHER = 64  # pictures of the part that is written
ACTORS = 16  # of Ray, which the driver gives pieces; from 1 to 24 what a group costs hardly changes
PIECES = (200, 800)  # of the archives of nothing, whose difference tells what a piece costs the driver


@dataclass(frozen=True)
class Costs:
    """What was measured.

    Attributes:
        decode_ms, preprocess_ms, infer_ms, postprocess_ms, row_ms: of a picture, on one core.
        part_ms: of turning the rows of TOGETHER pictures into Parquet.
        plan_ms: of a file, to find it and to split the archive.
        crew_ms, ray_ms: processor time of the driver for a piece, Ray's for a group of pieces that are given
            out together; `ray_ms` is 0 where Ray was left out.
        open_s: until the first piece is done, the start of a process included.
        picture_kb, part_kb: of a picture's file, and of the tables of TOGETHER pictures.
    """

    decode_ms: float
    preprocess_ms: float
    infer_ms: float
    postprocess_ms: float
    row_ms: float
    part_ms: float
    plan_ms: float
    crew_ms: float
    ray_ms: float
    open_s: float
    picture_kb: float
    part_kb: float

    @property
    def picture_ms(self) -> float:
        """All that one core does for a picture."""
        here = self.decode_ms + self.preprocess_ms + self.infer_ms + self.postprocess_ms + self.row_ms
        return here + self.part_ms / TOGETHER


def measure(engine: Path, pictures: Path, folder: Path, *, ray: bool) -> Costs:
    """Measure all of it: medians over the pictures of a folder."""
    settings = BatchSettings(engine)
    took: dict[str, list[float]] = {}
    rows, times = [], []

    def timed(name: str, step: Callable[[], object]) -> object:
        began_s = time.process_time()
        result = step()
        took.setdefault(name, []).append(MS_PER_S * (time.process_time() - began_s))
        return result

    planned, _ = plan_batch(settings, [str(pictures)], folder / "planned")
    files = list(planned.archive.files)
    with settings.open() as segmenter, Reader(segmenter.spec.input) as reader:
        for number, file in enumerate(files):
            (shot,) = timed("decode", lambda file=file: list(reader.shots(file, None)))  # type: ignore[misc]
            assert isinstance(shot, Shot)
            result, ms = _segmented(segmenter, shot)
            for name, value in ms.items():
                took.setdefault(name, []).append(value)
            names = segmenter.spec.class_names
            rows.append(timed("row", lambda: row_of(file.name, number, shot.frame, result, names)))  # noqa: B023
            times.append({"source": file.name, "index": 0, "latency_ms": 1.0})
    kept = (rows * TOGETHER)[:TOGETHER], (times * TOGETHER)[:TOGETHER]
    tables = [
        timed("part", lambda: (parts._parquet(kept[0], schema()), parts._parquet(kept[1], times_schema())))
        for _ in range(7)
    ]
    medians = {name: statistics.median(values) for name, values in took.items()}
    crew_ms, open_s, plan_ms = _of_driver(settings, folder, lambda s, p: Crew(s, p, 1))
    ray_ms = _of_rays_driver(settings, folder) if ray else 0.0
    return Costs(
        medians["decode"],
        medians["preprocess"],
        medians["infer"],
        medians["postprocess"],
        medians["row"],
        medians["part"],
        plan_ms,
        crew_ms,
        ray_ms,
        open_s,
        statistics.fmean(file.size_bytes for file in files) / BYTES_PER_KB,
        sum(map(len, tables[0])) / BYTES_PER_KB,  # type: ignore[call-overload]
    )


def _segmented(segmenter: Segmenter, shot: Shot) -> tuple[object, dict[str, float]]:
    marks = [time.process_time()]
    prepared = segmenter.preprocess(shot.frame.image)
    marks.append(time.process_time())
    outputs = segmenter.engine.infer(prepared.image)
    marks.append(time.process_time())
    result = segmenter.finish(outputs, prepared.placement, shot.frame.image)
    marks.append(time.process_time())
    names = ("preprocess", "infer", "postprocess")
    return result, {
        name: MS_PER_S * (after - before)
        for name, before, after in zip(names, marks, marks[1:], strict=False)
    }


def _of_rays_driver(settings: BatchSettings, folder: Path) -> float:
    """Give ms of the driver's processor a group, on a cluster of more actors than this machine has cores."""
    from ray.cluster_utils import Cluster

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": ACTORS})
    try:
        return _of_driver(settings, folder, lambda s, p: OnRay(s, p, ACTORS, nodes.address))[0]
    finally:
        nodes.shutdown()


def _of_driver(settings: BatchSettings, folder: Path, crew: Callable[..., Crew | OnRay]) -> tuple[float, ...]:
    """Give ms of the driver's processor a piece, seconds until the first piece is done, ms of plan a file."""
    spent: list[float] = []
    first_s = plan_ms = 0.0
    for count in PIECES:
        nothing = folder / f"nothing-{count}"
        nothing.mkdir(exist_ok=True)
        for number in range(count):
            (nothing / f"{number}.mp4").write_bytes(b"no film")  # each is a piece of its own, soon done
        output = folder / f"of-nothing-{count}-{time.monotonic_ns()}"
        began_s = time.process_time()
        planned, written = plan_batch(settings, [str(nothing)], output)
        plan_ms = MS_PER_S * (time.process_time() - began_s) / count
        written.make_folders()
        with crew(settings, written) as workers:
            began_s, before_s = time.perf_counter(), time.process_time()
            pieces = [replace(piece, frames=MOST_FRAMES) for piece in planned.missing]  # each a group
            for number, _ in enumerate(workers.do([Task(piece) for piece in pieces])):
                if not number:
                    first_s = time.perf_counter() - began_s
            spent.append(time.process_time() - before_s)
    return MS_PER_S * (spent[1] - spent[0]) / (PIECES[1] - PIECES[0]), first_s, plan_ms
