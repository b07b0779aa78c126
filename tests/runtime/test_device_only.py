from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.cli import status_of
from edgeseg.scenes.scene import animate

from .tiny_models import instance_engine, labels_engine, logits_engine

REFUSAL = """
import sys

TRAINING_SIDE = {"torch", "torchvision", "onnx", "onnxscript", "onnx_ir"}

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in TRAINING_SIDE:
            raise ImportError(f"{name} is not on the device")

sys.meta_path.insert(0, Refuse())
"""
SCRIPT = """
import edgeseg.runtime

early = {"av", "cv2", "onnxruntime"} & set(sys.modules)
assert not early, f"import edgeseg.runtime loaded {early}"

import numpy as np

with edgeseg.runtime.Segmenter.open(sys.argv[1]) as segment:
    result = segment(np.full((40, 60, 3), 255, np.uint8))
if isinstance(result, edgeseg.runtime.InstanceResult):
    print(result.to_coco()[0]["category_id"])
else:
    print(result.to_segments()[0]["category_id"])
"""
PIPELINE = """
import os
from edgeseg.cli import status_of
from edgeseg.runtime import Segmenter, stream

engine = sys.argv[1]
os.chdir(sys.argv[2])
outputs = ["-o", "v.mp4", "-o", "r.jsonl", "-o", "maps"]
for arguments in (
    ["run", engine, "synthetic:64x48?frames=2", *outputs],
    ["run", engine, "maps", "-o", "again.jsonl"],
    ["run", engine, "v.mp4", "--policy", "latest", "--frames", "1", "-o", "o.png"],
    ["profile", engine, "v.mp4", "--frames", "2", "--warmup", "0"],
    ["inspect", engine],
):
    assert status_of(arguments) == 0, arguments
with Segmenter.open(engine) as segment:
    assert len(list(stream("v.mp4", segment))) == 2
"""

LEAN = """
import sys
sys.modules.update(dict.fromkeys(["av", "cv2"]))
"""
LEAN_RUN = """
import os
from edgeseg.cli import status_of

engine = sys.argv[1]
os.chdir(sys.argv[2])
assert status_of(["run", engine, "pictures", "-o", "lean", "-o", "lean.jsonl"]) == 0
assert status_of(["profile", engine, "pictures", "--frames", "2", "--warmup", "0"]) == 0
for arguments in (
    ["pictures", "-o", "o.mp4"],
    ["pictures", "-o", "udp://127.0.0.1:9"],
    ["video.mp4"],
    ["synthetic:64x48?frames=1"],
    ["0", "--frames", "1"],
):
    assert status_of(["run", engine, *arguments]) == 1, arguments
"""


@pytest.mark.parametrize("task", ["labels", "logits", "instances"])
def test_an_engine_runs_where_torch_and_onnx_cannot_be_imported(task: str, tmp_path: Path) -> None:
    assert _run(REFUSAL + SCRIPT, _engine(task, tmp_path / "engine")) == "1"


@pytest.mark.parametrize("task", ["logits", "instances"])
def test_so_do_sources_sinks_the_pipeline_and_the_commands_of_a_device(task: str, tmp_path: Path) -> None:
    _run(REFUSAL + PIPELINE, _engine(task, tmp_path / "engine"), tmp_path)


@pytest.mark.parametrize("task", ["labels", "logits", "instances"])
def test_pictures_give_the_same_where_neither_opencv_nor_pyav_is_installed(task: str, tmp_path: Path) -> None:
    pytest.importorskip("PIL")
    engine = _engine(task, tmp_path / "engine")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (tmp_path / "video.mp4").write_bytes(b"no video, which nothing finds out")
    for number, suffix in enumerate((".jpg", ".png")):
        picture = next(animate(number, (60, 80))).image
        assert cv2.imwrite(str(pictures / f"{number}{suffix}"), picture)
    assert status_of(["run", str(engine), str(pictures), "-o", str(tmp_path / "full")]) == 0
    said = _run(LEAN + LEAN_RUN, engine, tmp_path, expects_errors=True)
    assert said.count("is not installed; run: pip install 'edgeseg[media]'") == 5
    assert len((tmp_path / "lean.jsonl").read_text().splitlines()) == 2
    for full in sorted((tmp_path / "full").glob("*.png")):
        lean = cv2.imread(str(tmp_path / "lean" / full.name), cv2.IMREAD_UNCHANGED)
        np.testing.assert_array_equal(lean, cv2.imread(str(full), cv2.IMREAD_UNCHANGED))


def test_videos_are_read_where_pyav_is_installed_and_opencv_is_not(tmp_path: Path) -> None:
    engine, video = labels_engine(tmp_path / "engine"), tmp_path / "video.mp4"
    assert status_of(["run", str(engine), "synthetic:64x48?frames=3", "-o", str(video)]) == 0
    assert status_of(["run", str(engine), str(video), "-o", str(tmp_path / "full.json")]) == 0
    program = """
import sys
from edgeseg.cli import status_of
sys.modules["cv2"] = None
assert status_of(["run", sys.argv[1], sys.argv[2], "-o", sys.argv[3]]) == 0
"""
    _run(program, engine, video, tmp_path / "lean.json")
    assert (tmp_path / "lean.json").read_text() == (tmp_path / "full.json").read_text()


def _engine(task: str, folder: Path) -> Path:
    if task == "instances":
        return instance_engine(folder, [[0, 0, 24, 16]], [0.9])
    return {"labels": labels_engine, "logits": logits_engine}[task](folder)


def _run(program: str, *arguments: Path, expects_errors: bool = False) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return (done.stderr if expects_errors else done.stdout).strip()
