"""Measure what streams cost beside their engine: throughput, latency under overload, shares, memory.

Overlap: a run of a 640x480 video without sinks against the engine alone, in turn. Overload: 1, 2 and 4
cameras of 30 frames a second on one engine; capture to result in inferences of that engine, and the results
of each camera. Memory: growth over many frames of 64x64, from a tenth of them on.

    python -m benchmarks.streams [--repeats N] [--frames N] [--soak FRAMES]
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import cv2
import numpy as np

from edgeseg.demo.showcase import CHECKPOINTS, SHOWN_SCORE
from edgeseg.engines.building.build import build_engine
from edgeseg.export.exporter import Settings, export_network
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.runtime import Engine, FakeBackend, InstanceRefinement, Refinement, Segmenter
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.pipeline import run
from edgeseg.runtime.sources.base import Source
from edgeseg.runtime.streams.stream import Stream
from edgeseg.runtime.streams.streams import Streams
from edgeseg.scenes.scene import CLASS_NAMES, animate
from edgeseg.spec import CRFSpec, GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

FRAME_HW = (480, 640)
INPUTS_HW = ((480, 640), (640, 832))  # of the demo's U-Net: about 50 and 100 ms on two cores
FAKE_S = (0.01, 0.05, 0.1)  # of engines that take no processor
CAMERAS, CAMERA_FPS = (1, 2, 4), 30.0
OVERLOAD_S = 6.0
SOAK_HW = (64, 64)
BYTES_PER_MB = 1 << 20


class Camera(Source):
    """A live source that draws nothing: the same pictures at a steady rate."""

    name, live, fps = "camera", True, CAMERA_FPS

    def __init__(self) -> None:
        super().__init__()
        self._images = [np.full((*FRAME_HW, 3), value, np.uint8) for value in (0, 255)]
        self._position, self._began_s = 0, time.monotonic()

    def read(self) -> Frame | None:
        """Wait until the next frame is due."""
        due_s = self._began_s + self._position / CAMERA_FPS
        time.sleep(max(due_s - time.monotonic(), 0.0))
        self._position += 1
        return Frame(self._images[self._position % 2], self._position - 1, time.monotonic())


class Noise(Source):
    """Frames of noise, a few different ones in turn."""

    name = "noise"

    def __init__(self, count: int) -> None:
        super().__init__()
        random = np.random.default_rng(0)
        self._images = random.integers(0, 255, (8, *SOAK_HW, 3), np.uint8)
        self._count, self._position = count, 0

    def read(self) -> Frame | None:
        """Give the next."""
        if self._position == self._count:
            return None
        self._position += 1
        return Frame(self._images[self._position % 8], self._position - 1, time.monotonic())


def main() -> None:
    """Print one table a question."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--soak", type=int, default=0, help="frames of each soak, such as 100000")
    arguments = parser.parse_args()
    if arguments.soak:
        for kind, segmenter in soaked():
            print(f"memory {kind:9} {arguments.soak} frames {grown_mb(segmenter, arguments.soak):+6.2f} MB")
        return
    with tempfile.TemporaryDirectory() as folder:
        video = write_video(Path(folder) / "v.mp4", arguments.frames)
        for name, engine in engines(Path(folder)):
            with engine:
                overlap(name, engine, video, arguments.repeats)
                overload(name, engine)


def engines(folder: Path) -> Iterator[tuple[str, Engine]]:
    """Open the engines, fake ones first."""
    nothing = {"labels": np.zeros((1, *FRAME_HW), np.uint8)}
    for delay_s in FAKE_S:
        backend = FakeBackend(labels_spec(FRAME_HW), lambda _: nothing, delay_s=delay_s)
        yield f"fake {1000 * delay_s:.0f} ms", backend.engine()
    for size_hw in INPUTS_HW:
        trained, _ = open_network("demo_unet", CHECKPOINTS / "unet.safetensors")
        settings = Settings("unet", size_hw, class_names=CLASS_NAMES, score_threshold=SHOWN_SCORE)
        model = folder / f"{size_hw[1]}.onnx"
        export_network(trained, model, settings)
        build_engine(model, folder / f"{size_hw[1]}")
        yield f"unet {size_hw[1]}x{size_hw[0]}", Engine.open(folder / f"{size_hw[1]}")


def overlap(name: str, engine: Engine, video: Path, repeats: int) -> None:
    """Compare the whole with the engine alone, in turn."""
    image = np.zeros((1, *engine.batch_shape[1:]), np.uint8)
    ratios, alone_fps = [], []
    with Segmenter(engine) as segmenter:
        for _ in range(repeats + 1):
            began_s = time.monotonic()
            report = run(str(video), segmenter)
            whole = report.frames / report.seconds
            began_s = time.monotonic()
            for _ in range(report.frames):
                engine.infer(image)
            alone_fps.append(report.frames / (time.monotonic() - began_s))
            ratios.append(whole / alone_fps[-1])
    ratio, alone = statistics.median(ratios[1:]), statistics.median(alone_fps[1:])
    print(
        f"overlap  {name:13} {1000 / alone:6.1f} ms a frame alone, the whole reaches {ratio:.3f} "
        f"({min(ratios[1:]):.3f} to {max(ratios[1:]):.3f})",
        flush=True,
    )


def overload(name: str, engine: Engine) -> None:
    """Print latencies and shares of cameras that give more than the engine takes."""
    image = np.zeros((1, *engine.batch_shape[1:]), np.uint8)
    for count in CAMERAS:
        took_s = []
        for _ in range(5):
            began_s = time.monotonic()
            engine.infer(image)
            took_s.append(time.monotonic() - began_s)
        infer_ms = 1000 * statistics.median(took_s)
        with Streams(engine) as streams:
            for number in range(count):
                streams.add(Stream(f"camera {number}", Camera(), Segmenter(engine)))
            time.sleep(OVERLOAD_S)
            status = streams.status()
        latencies = [one.latency_ms for one in status if one.latency_ms is not None]
        p50 = max(one.p50 for one in latencies) / infer_ms
        p99 = max(one.p99 for one in latencies) / infer_ms
        shares = " ".join(str(one.results) for one in status)
        print(
            f"overload {name:13} {count} cameras: p50 {p50:.2f}, p99 {p99:.2f} inferences; results {shares}",
            flush=True,
        )


def soaked() -> Iterator[tuple[str, Segmenter]]:
    """Make segmenters of each kind on fake engines."""
    labels = FakeBackend(labels_spec(SOAK_HW)).engine()
    yield "semantic", Segmenter(labels)
    logits = replace(
        labels_spec(SOAK_HW),
        output_kind="logits",
        outputs=(OutputSpec("logits", "float32", (1, 2, SOAK_HW[0] // 8, SOAK_HW[1] // 8)),),
    )
    small = CRFSpec(height=SOAK_HW[0], iterations=1)
    yield "crf", Segmenter(FakeBackend(logits).engine(), refinement=Refinement(small))
    instances = FakeBackend(instances_spec()).engine()
    yield "instance", Segmenter(instances)
    yield "masks crf", Segmenter(instances, refinement=InstanceRefinement(small))


def grown_mb(segmenter: Segmenter, frames: int) -> float:
    """Say by how much the process grows over frames, once it has seen a tenth of them."""
    first = 0

    def look(frame: Frame, _: object) -> None:
        nonlocal first
        if frame.index == frames // 10:
            gc.collect()
            first = resident_bytes()

    run(Noise(frames), segmenter, on_frame=look)
    gc.collect()
    return (resident_bytes() - first) / BYTES_PER_MB


def resident_bytes() -> int:
    """Give the memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def labels_spec(size_hw: tuple[int, int]) -> ModelSpec:
    """Say what a fake engine of labels takes and gives."""
    return ModelSpec(
        task="semantic",
        class_names=("dark", "bright"),
        input=InputSpec(*size_hw),
        graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        output_kind="labels",
        outputs=(OutputSpec("labels", "uint8", (1, *size_hw)),),
        source=Provenance("fake"),
    )


def instances_spec() -> ModelSpec:
    """Say what a fake engine of instances takes and gives."""
    shapes = {"boxes": (1, 4), "scores": (1,), "class_ids": (1,), "masks": (1, 28, 28)}
    kinds = {"class_ids": "int64"}
    outputs = tuple(
        OutputSpec(name, kinds.get(name, "float32"), (1, *shape)) for name, shape in shapes.items()
    )
    return replace(
        labels_spec(SOAK_HW),
        task="instance",
        output_kind="instances",
        outputs=outputs,
        class_names=("background", "thing"),
    )


def write_video(path: Path, count: int) -> Path:
    """Write a video of a synthetic scene."""
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), CAMERA_FPS, FRAME_HW[::-1])
    for scene in islice(animate(1, FRAME_HW), count):
        writer.write(scene.image)
    writer.release()
    return path


if __name__ == "__main__":
    main()
