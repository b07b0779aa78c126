"""Make what a tuning might have found, for tests of what is told of it."""

from __future__ import annotations

from typing import Any

from edgeseg.machine import Machine
from edgeseg.tune.report import Candidate, LeftOut, Tuning


def candidate(latency_ms: float, drop_points: float, **changes: Any) -> Candidate:
    """Make an engine that was timed."""
    given: dict[str, Any] = {
        "model": "unet.onnx",
        "size_hw": (64, 96),
        "backend": "onnxruntime",
        "backend_version": "1.0",
        "device": "cpu",
        "precision": "fp32",
        "passes": (),
        "options": {"model_file": "model.onnx", "intra_op_threads": 2},
        "tried": {"intra_op_threads": 2},
        "latency_ms": latency_ms,
        "interval_ms": (0.9 * latency_ms, 1.1 * latency_ms),
        "rounds": 6,
        "accuracy": 90 - drop_points,
        "drop_points": drop_points,
        "size_mb": 4.0,
        "memory_mb": 100.0,
        "on_front": True,
        "verdict": "slower",
    }
    return Candidate(**{**given, **changes})


def tuning(*candidates: Candidate, **changes: Any) -> Tuning:
    """Make a tuning that found these."""
    given: dict[str, Any] = {
        "accuracy_of": "mIoU against labels",
        "fp32_accuracy": 90.0,
        "max_drop": 0.5,
        "images": 24,
        "frame_hw": (240, 320),
        "candidates": candidates,
        "refused": (LeftOut("unet.onnx", "mnn", "cpu", "fp32", True, "it refuses the graph"),),
        "not_tried": (),
        "complete": True,
        "seconds": 60.0,
        "budget_s": None,
        "started_at": "2026-01-01T00:00:00+00:00",
        "machine": Machine("Linux", "A processor", 4, None, None),
    }
    return Tuning(**{**given, **changes})
