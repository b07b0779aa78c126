"""Which engines the GPU's benchmark makes, and where models and engines lie."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """A backend and a device to build for; `anywhere` is whether it builds without a GPU."""

    backend: str
    device: str | None = None
    anywhere: bool = False


KINDS = {
    "rtx": Kind("tensorrt_rtx", anywhere=True),
    "trt": Kind("tensorrt"),
    "ort-cuda": Kind("onnxruntime", "cuda"),
    "ort-tensorrt": Kind("onnxruntime", "tensorrt"),
}


def model_of(folder: Path, network: str, batch: int) -> Path:
    """Name the portable model of a network."""
    return folder / f"{network}-b{batch}" / "model.onnx"


def engine_of(folder: Path, network: str, batch: int, kind: str, precision: str) -> Path:
    """Name an engine of it."""
    return folder / f"{network}-b{batch}" / f"{kind}-{precision}"
