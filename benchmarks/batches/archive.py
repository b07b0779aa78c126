"""Make the archives and the engine that benchmarks of batches use."""

from __future__ import annotations

import os
from itertools import islice
from pathlib import Path

import cv2

from edgeseg.demo.showcase import CHECKPOINTS, SHOWN_SCORE
from edgeseg.engines.building.build import build_engine
from edgeseg.export.exporter import Settings, export_network
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.scenes.scene import CLASS_NAMES, animate

DISTINCT = 100  # pictures; of more, names share files


def unet_engine(folder: Path, size_hw: tuple[int, int]) -> Path:
    """Build the demo's U-Net for inputs of a size."""
    trained, _ = open_network("demo_unet", CHECKPOINTS / "unet.safetensors")
    settings = Settings("unet", size_hw, class_names=CLASS_NAMES, score_threshold=SHOWN_SCORE)
    model = folder / "model.onnx"
    export_network(trained, model, settings)
    build_engine(model, folder / "engine")
    return folder / "engine"


def write_pictures(folder: Path, count: int, size_hw: tuple[int, int]) -> Path:
    """Write JPEG pictures of a scene that moves; those beyond DISTINCT are links to the first."""
    folder.mkdir(parents=True)
    for number, scene in enumerate(islice(animate(7, size_hw), min(count, DISTINCT))):
        cv2.imwrite(str(folder / f"{number:06d}.jpg"), scene.image)
    for number in range(DISTINCT, count):
        os.link(folder / f"{number % DISTINCT:06d}.jpg", folder / f"{number:06d}.jpg")
    return folder


def results_of(output: Path) -> dict[str, bytes]:
    """Read all results that do not tell times."""
    return {path.name: path.read_bytes() for path in sorted(output.glob("parts/*.parquet"))}
