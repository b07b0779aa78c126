"""Take the shipped checkpoints to engines, videos and a report, each network from end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgeseg.engines.building.build import build_engine
from edgeseg.export.exporter import Settings, export_network
from edgeseg.files import write_whole
from edgeseg.frames.results import InstanceResult, SemanticResult
from edgeseg.manifest import Manifest
from edgeseg.metrics.average_precision import average_precision
from edgeseg.metrics.confusion import confusion_matrix, mean_iou
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.opencv import cv2
from edgeseg.proof.report import ParityReport
from edgeseg.records import to_json_value
from edgeseg.runtime.engine import Engine
from edgeseg.runtime.pipeline import RunReport, run
from edgeseg.runtime.profiling.profile import profile
from edgeseg.runtime.profiling.report import Profile
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.sinks import open_sink
from edgeseg.runtime.sinks.base import encode_image
from edgeseg.runtime.sources import open_source
from edgeseg.scenes import scene as scenes

CHECKPOINTS = Path(__file__).parent / "checkpoints"
NETWORKS = ("unet", "deeplab", "maskrcnn")

FIRST_UNSEEN_SEED = 500_000  # training scenes have seeds from 1,000,000 up
TEST_SCENES = 60
VIDEO_SEED = 600_000
LOWEST_SCORE = 0.05  # in the graph: average precision looks at the whole curve
SHOWN_SCORE = 0.5  # in videos and pictures
OUTPUTS = {"video": ".mp4", "results": ".jsonl", "picture": ".png"}


@dataclass(frozen=True)
class NetworkReport:
    """What the demo found of one network.

    Attributes:
        accuracy: on unseen scenes: `miou`, or `box_ap50` and `mask_ap50`, 0..1.
        export_parity, engine_parity: the proofs of the portable model and of the engine.
        run: the video's, with every stage from capture to sink.
        profile: inference alone, and capture to result, nothing else running.
        files: what was written, by what it is.
    """

    network: str
    manifest: Manifest
    accuracy: dict[str, float]
    export_parity: ParityReport
    engine_parity: ParityReport
    run: RunReport
    profile: Profile
    files: dict[str, Path]

    def to_json_value(self) -> dict[str, Any]:
        """Give what `edgeseg demo --json` writes for one network."""
        return {
            "network": self.network,
            "backend": self.manifest.backend,
            "precision": self.manifest.precision,
            "accuracy": self.accuracy,
            "parity": {
                "passed": self.export_parity.passed and self.engine_parity.passed,
                "portable_model": dict(self.export_parity.figures),
                "engine": dict(self.engine_parity.figures),
            },
            "latency_ms": to_json_value(self.profile.latency_ms),
            "infer_ms": to_json_value(self.profile.infer_ms),
            "fps": self.run.fps,
            "stages": to_json_value(self.run.stages),
            "files": {name: str(path) for name, path in self.files.items()},
        }


def demonstrate(network: str, folder: Path, *, frames: int, on_step: Callable[[str], None]) -> NetworkReport:
    """Take one checkpoint from end to end: export, build, measure, profile, run.

    Args:
        network: one of NETWORKS.
        folder: where models, engines, videos and pictures go.
        frames: of the video, and measured for latency.
        on_step: told what comes next.
    """
    model, engine = folder / f"{network}.onnx", folder / f"{network}-engine"
    on_step("checkpoint to portable model, compared with PyTorch")
    export_parity = _export(network, model)
    on_step("portable model to engine, session options measured")
    built = build_engine(model, engine)
    on_step(f"accuracy on {TEST_SCENES} unseen scenes")
    truth = [scenes.generate(FIRST_UNSEEN_SEED + i) for i in range(TEST_SCENES)]
    shown = SHOWN_SCORE if built.manifest.spec.task == "instance" else None
    outputs = {kind: folder / f"{network}{suffix}" for kind, suffix in OUTPUTS.items()}
    with Engine.open(engine) as opened:
        tested, filmed = Segmenter(opened), Segmenter(opened, score_threshold=shown)
        accuracy = accuracy_of([tested(scene.image) for scene in truth], truth)
        on_step(f"latency over {frames} frames")
        with open_source(_video()) as source:
            latency = profile(filmed, source, frames=frames)
        on_step(f"video of {frames} frames")
        report = _film(filmed, frames, [outputs["video"], outputs["results"]])
        _film(filmed, 1, [outputs["picture"]])
    files = {"portable model": model, "engine": engine, **outputs}
    return NetworkReport(
        network, built.manifest, accuracy, export_parity, built.parity, report, latency, files
    )


def _export(network: str, model: Path) -> ParityReport:
    name = f"demo_{network}"
    trained, checkpoint = open_network(name, CHECKPOINTS / f"{network}.safetensors")
    settings = Settings(
        name=name,
        size_hw=scenes.DEFAULT_SIZE_HW,
        score_threshold=LOWEST_SCORE,
        class_names=scenes.CLASS_NAMES,
        palette_rgb=scenes.PALETTE_RGB,
        checkpoint_sha256=checkpoint.sha256,
    )
    return export_network(trained, model, settings).parity


def _film(segmenter: Segmenter, frames: int, paths: Sequence[Path]) -> RunReport:
    """Segment the first frames of the demo's video."""
    with open_source(_video()) as source:
        sinks = [open_sink(path, segmenter.spec, source) for path in paths]
        return run(source, segmenter, sinks, frames=frames)


def _video() -> str:
    height, width = scenes.DEFAULT_SIZE_HW
    return f"synthetic:{width}x{height}?seed={VIDEO_SEED}"


def overview(reports: Sequence[NetworkReport], path: Path) -> None:
    """Put the frame and what each network sees in it side by side, two in a row."""
    pictures = [cv2.imread(str(one.files["picture"])) for one in reports]
    tiles = [scenes.generate(VIDEO_SEED).image, *(picture for picture in pictures if picture is not None)]
    rows = [np.hstack(tiles[i : i + 2]) for i in range(0, len(tiles) - 1, 2)]
    write_whole(path, encode_image(path, np.vstack(rows)))


def accuracy_of(
    results: Sequence[SemanticResult | InstanceResult], truth: Sequence[scenes.Scene]
) -> dict[str, float]:
    """Measure results against the truth in the terms of their task."""
    labels = [result.labels for result in results if isinstance(result, SemanticResult)]
    if labels:
        true_labels = np.stack([scene.labels for scene in truth])
        return {"miou": mean_iou(confusion_matrix(true_labels, np.stack(labels), len(scenes.CLASS_NAMES)))}
    found = [result.to_coco() for result in results if isinstance(result, InstanceResult)]
    return {
        "box_ap50": average_precision(found, truth, "box"),
        "mask_ap50": average_precision(found, truth, "mask"),
    }
