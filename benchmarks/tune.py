"""`edgeseg tune` against single choices: is what it keeps ever slower than the best of them?

For the demo's three networks (on unseen scenes, with their labels) and, with `--coco FOLDER`, for
torchvision's DeepLabV3-MobileNetV3 of random weights (which say nothing of accuracy), the engine that `tune`
keeps is timed in turn with that of `build --backend auto` and with those of each backend here, frame to
result. A ratio is the median over rounds, with its 95 percent interval: above 1 the choice is slower than
what was kept.

    python -m benchmarks.tune [--rows NAME ...] [--coco FOLDER] [--budget S] [--work FOLDER]
        [--pictures FOLDER]

`--work` keeps models, engines and measurements, so that the next run goes on; `--pictures` gets a picture a
network.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import cv2

from benchmarks.peers.networks import draw_weights
from benchmarks.peers.preparing import export_ours
from benchmarks.peers.rows import ROWS
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.registry import AUTO, cpu_backends, versions_of
from edgeseg.engines.request import Request
from edgeseg.errors import EdgesegError
from edgeseg.machine import this_machine
from edgeseg.manifest import read_manifest
from edgeseg.scenes import scene as scenes
from edgeseg.tune.accuracy import Labels
from edgeseg.tune.budget import Budget
from edgeseg.tune.drawing import write_picture
from edgeseg.tune.entry import tune
from edgeseg.tune.halving import Round, interval_of_median
from edgeseg.tune.images import TuningImages
from edgeseg.tune.making import segmenting
from edgeseg.tune.picture import SIZE_WH, picture_of
from edgeseg.tune.report import Candidate, Tuning
from edgeseg.tune.timing import Opener, time_in_rounds

DEMO = ("demo_unet", "demo_deeplab", "demo_maskrcnn")
ON_COCO = "deeplabv3_mobilenet_v3_large"
FIRST_SCENE = 700_000  # a seed that no training has seen
SCENES = 24
KEPT = "tune"
BESIDE_S = 180.0  # at most, for what was kept beside single choices


def main() -> None:
    """Print a block a network."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", nargs="+", choices=[*DEMO, ON_COCO], default=[*DEMO, ON_COCO])
    parser.add_argument("--coco", type=Path, help=f"a folder of images, for {ON_COCO}")
    parser.add_argument("--budget", type=float, default=1200.0, help="seconds of each tuning")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()) / "edgeseg-tune")
    parser.add_argument("--pictures", type=Path)
    arguments = parser.parse_args()
    machine = this_machine()
    print(f"{machine.cpu}, {machine.logical_cores} cores", flush=True)
    for row in arguments.rows:
        if row == ON_COCO and arguments.coco is None:
            print(f"\n{row}: left out, for it takes --coco", flush=True)
            continue
        work = arguments.work / row
        work.mkdir(parents=True, exist_ok=True)
        images, labels = (arguments.coco, None) if row == ON_COCO else _scenes(work, row)
        if not (work / "weights.pt").exists():
            draw_weights(ROWS[row], work / "weights.pt")
        export_ours(ROWS[row], work)
        report = tune(
            [work / "ours.onnx"],
            work / KEPT,
            images=images,
            work=work / "tuning",
            labels=labels,
            budget_s=arguments.budget,
            on_step=lambda step: print(f"  {step}", flush=True),
        )
        if arguments.pictures is not None:
            arguments.pictures.mkdir(parents=True, exist_ok=True)
            shapes, told = picture_of(report)
            write_picture(arguments.pictures / f"tune-{row}.svg", shapes, SIZE_WH, told)
        print("\n" + "\n".join([*_told(row, report), *_beside(row, work, images)]), flush=True)


def _scenes(work: Path, row: str) -> tuple[Path, Labels | None]:
    """Write unseen scenes; of semantic networks with their label maps."""
    for kind in ("images", "labels"):
        (work / kind).mkdir(exist_ok=True)
    for number in range(SCENES):
        scene = scenes.generate(FIRST_SCENE + number)
        cv2.imwrite(str(work / "images" / f"{number:03}.png"), scene.image)
        cv2.imwrite(str(work / "labels" / f"{number:03}.png"), scene.labels)
    return work / "images", None if ROWS[row].is_detector else Labels(work / "labels")


def _told(row: str, report: Tuning) -> Iterator[str]:
    tried = "all" if report.complete else "not all"
    yield f"{row}: {report.accuracy_of}, {report.seconds:.0f} s, {tried} tried"
    for one in report.candidates:
        star = "*" if one.on_front else " "
        memory = "" if one.memory_mb is None else f"{one.memory_mb:6.0f} MiB held"
        yield (
            f" {star} {one.name:30} {one.latency_ms:8.1f} ms {one.drop_points:+6.2f} points lost "
            f"{one.size_mb:6.1f} MiB {memory}  {one.verdict}{_opened(one)}"
        )
    yield from (f"   not tried: {one.backend} {one.precision}" for one in report.not_tried)
    yield from (f"   {one.backend} {one.precision}: {one.reason}" for one in report.refused)


def _opened(one: Candidate) -> str:
    """Say in which of several ways an engine is opened."""
    tried = ", ".join(f"{name} {value}" for name, value in one.tried.items())
    return f" ({tried})" if tried else ""


def _beside(row: str, work: Path, images: Path) -> Iterator[str]:
    """Time what was kept in turn with single choices."""
    openers: dict[str, Opener] = {KEPT: partial(segmenting, work / KEPT, read_manifest(work / KEPT))}
    for backend in (AUTO, *(name for name in cpu_backends() if versions_of(name))):
        folder = work / backend
        try:
            built = build_engine(work / "ours.onnx", folder, request=Request(backend)).manifest
        except EdgesegError as error:
            yield f"   build --backend {backend}: {error}"
        else:
            openers[f"build --backend {backend}"] = partial(segmenting, folder, built)
    taken = read_manifest(work / KEPT).spec
    frames = TuningImages.of(images, taken).frames(taken)
    names = openers.keys()
    timed = time_in_rounds(openers, names, frames, plain=names, budget=Budget(BESIDE_S))
    yield "   what was kept, beside single choices: times as long as it"
    yield from (f"   {name:32} {_ratio(timed.rounds, name)}" for name in openers if name != KEPT)


def _ratio(rounds: Sequence[Round], name: str) -> str:
    ratios = [one[name] / one[KEPT] for one in rounds if name in one and KEPT in one]
    low, high = interval_of_median(ratios)
    return f"{statistics.median(ratios):.3f} ({low:.3f} to {high:.3f}, {len(ratios)} rounds)"


if __name__ == "__main__":
    main()
