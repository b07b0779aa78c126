from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from .tiny_models import instance_engine, labels_engine, logits_engine

SCRIPT = """
import sys

TRAINING_SIDE = {"torch", "torchvision", "onnx", "onnxscript", "onnx_ir"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in TRAINING_SIDE:
            raise ImportError(f"{name} is not on the device")

sys.meta_path.insert(0, Refuse())

import edgeseg.runtime

early = {"cv2", "onnxruntime"} & set(sys.modules)
assert not early, f"import edgeseg.runtime loaded {early}"

import numpy as np

with edgeseg.runtime.Segmenter.open(sys.argv[1]) as segment:
    result = segment(np.full((40, 60, 3), 255, np.uint8))
if isinstance(result, edgeseg.runtime.InstanceResult):
    print(result.to_coco()[0]["category_id"])
else:
    print(result.to_segments()[0]["category_id"])
"""


@pytest.mark.parametrize("task", ["labels", "logits", "instances"])
def test_an_engine_runs_where_torch_and_onnx_cannot_be_imported(task: str, tmp_path: Path) -> None:
    engine = tmp_path / "engine"
    if task == "instances":
        instance_engine(engine, [[0, 0, 24, 16]], [0.9])
    else:
        {"labels": labels_engine, "logits": logits_engine}[task](engine)
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(engine)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "1"
