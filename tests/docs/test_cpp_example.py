"""The program in C++ labels pictures as edgeseg does, bit by bit, from packages and from engines."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.package import pack
from edgeseg.engines.packed import PackedRequest
from edgeseg.models.network import Network
from edgeseg.runtime import SemanticResult
from tests.docs.blocks import ROOT
from tests.export import small_networks
from tests.exported_models import ExportedModels

HEADERS = {  # each by what brings it
    "onnxruntime_cxx_api.h": "libonnxruntime-dev, or .ci/onnxruntime-headers and CMAKE_PREFIX_PATH",
    "opencv2/imgcodecs.hpp": "libopencv-dev",
    "nlohmann/json.hpp": "nlohmann-json3-dev",
}
FOLDERS = ("include", "include/onnxruntime", "include/opencv4")
Segment = Callable[[Path, Path], NDArray[np.uint8]]

pytestmark = pytest.mark.slow


def letterboxed() -> Network:
    return dataclasses.replace(small_networks.unet(), resize="letterbox", resize_filter="antialias")


def _skip_without_what_it_takes() -> None:
    prefixes = [*os.environ.get("CMAKE_PREFIX_PATH", "").split(":"), "/usr", "/usr/local"]
    places = [Path(prefix) / folder for prefix in prefixes if prefix for folder in FOLDERS]
    missing = [brings for name, brings in HEADERS.items() if not any((at / name).is_file() for at in places)]
    missing += [program for program in ("cmake", "g++") if shutil.which(program) is None]
    if missing:
        pytest.skip(f"needs {'; '.join(missing)}")


@pytest.fixture(scope="module")
def segment(tmp_path_factory: pytest.TempPathFactory) -> Segment:
    """Build the program with the very library that edgeseg runs in, and give a function that starts it."""
    _skip_without_what_it_takes()
    import onnxruntime

    work = tmp_path_factory.mktemp("cpp")
    (library,) = (Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*")
    (work / "lib").mkdir()
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (work / "lib" / name).symlink_to(library)
    for command in (
        ["cmake", "-S", ROOT / "examples/cpp", "-B", work / "build", f"-DCMAKE_PREFIX_PATH={work}"],
        ["cmake", "--build", work / "build"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stderr, done.stderr

    def run(folder: Path, picture: Path) -> NDArray[np.uint8]:
        target = work / "labels.png"
        done = subprocess.run(
            [work / "build" / "segment", folder, picture, target], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr)
        return np.asarray(cv2.imread(str(target), cv2.IMREAD_UNCHANGED), np.uint8)

    return run


def _unzipped(model: Path, folder: Path) -> Path:
    pack(model, folder.with_suffix(".edgeseg"), PackedRequest())
    with zipfile.ZipFile(folder.with_suffix(".edgeseg")) as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize(
    ("make", "kind"), [(small_networks.unet, "labels"), (letterboxed, "labels"), (letterboxed, "logits")]
)
def test_packages_say_what_is_found(
    segment: Segment, exported: ExportedModels, make: Callable[[], Network], kind: str, tmp_path: Path
) -> None:
    package = _unzipped(exported(make, output_kind=kind).path, tmp_path / "package")
    frames = sorted(path for path in package.glob("golden-*.png") if ".labels" not in path.name)
    assert len(frames) > 1
    for frame in frames:
        expected = cv2.imread(str(frame.with_suffix(".labels.png")), cv2.IMREAD_UNCHANGED)
        assert len(np.unique(expected)) > 1
        assert np.array_equal(segment(package, frame), expected)


def test_engines_give_what_edgeseg_run_gives(
    segment: Segment, exported: ExportedModels, tmp_path: Path
) -> None:
    model = exported(small_networks.unet).path
    build_engine(model, tmp_path / "engine")
    frame = _unzipped(model, tmp_path / "package") / "golden-1.png"
    lines = tmp_path / "labels.jsonl"
    command = [sys.executable, "-m", "edgeseg", "run", tmp_path / "engine", frame, "-o", lines]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    told = [
        {name: value for name, value in one.items() if name != "category_name"}
        for one in json.loads(lines.read_text())["segments"]
    ]
    found = SemanticResult(segment(tmp_path / "engine", frame)).to_segments()
    assert json.loads(json.dumps(found)) == told


def test_what_it_cannot_do_is_one_line(segment: Segment, exported: ExportedModels, tmp_path: Path) -> None:
    package = _unzipped(exported(small_networks.mask_rcnn).path, tmp_path / "package")
    for folder, picture, message in (
        (package, package / "golden-0.png", "only networks that label pixels are read here"),
        (tmp_path, package / "golden-0.png", f"{tmp_path} is neither an engine nor an unzipped package"),
        (package, package / "package.json", f"{package / 'package.json'} is no picture that OpenCV reads"),
    ):
        with pytest.raises(RuntimeError, match=f"^error: {re.escape(message)}\n$"):
            segment(folder, picture)
