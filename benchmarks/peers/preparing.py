"""Make a row's folder once: weights, frames, plain export, its conversions, our portable model, references.

python -m benchmarks.peers.preparing ROW --work FOLDER
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

from benchmarks.full_size_engines import ANY_DIFFERENCE
from benchmarks.parts.limited import run_limited
from benchmarks.peers import networks
from benchmarks.peers.case import Case
from benchmarks.peers.contenders import TorchEager
from benchmarks.peers.rows import ROWS, Row
from benchmarks.peers.state import EXPORTING, state_of
from edgeseg.export.exporter import Settings, export_network
from edgeseg.scenes.scene import CLASS_NAMES

OPSET = 16  # the newest that the TorchScript exporter takes for torchvision's detectors
CONVERSION_TIMEOUT_S = 120
MNN_CONVERTER = "import sys, MNN, _tools; _tools.mnnconvert(['mnnconvert', *sys.argv[1:]])"
"""What `mnnconvert` calls; the program itself also installs a package and reports its use to its makers."""


def main() -> None:
    """Make what the folder lacks."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("row", choices=list(ROWS))
    parser.add_argument("--work", type=Path, required=True)
    arguments = parser.parse_args()
    prepare(arguments.row, arguments.work)


def prepare(name: str, work: Path) -> None:
    """Make what the folder of a row lacks, and our portable model anew if the package has changed."""
    folder, row = work / name, ROWS[name]
    case_exists = (folder / "case.json").exists()
    if not case_exists:
        folder.mkdir(parents=True, exist_ok=True)
        networks.draw_weights(row, folder / "weights.pt")
    export_ours(row, folder)
    if not case_exists:
        make_case(name, folder)


def export_ours(row: Row, folder: Path) -> None:
    """Export our portable model, unless this state of the package has."""
    made_by = folder / "ours.state"
    if made_by.exists() and made_by.read_text() == state_of(EXPORTING):
        return
    settings = Settings(
        row.network,
        row.size_hw,
        class_names=CLASS_NAMES if row.is_demo else None,
        score_threshold=networks.THRESHOLD,
        tolerances=ANY_DIFFERENCE,  # random weights have nothing to lose; results are compared below
    )
    export_network(networks.ours(row, folder / "weights.pt"), folder / "ours.onnx", settings)
    made_by.write_text(state_of(EXPORTING))


def make_case(name: str, folder: Path) -> None:
    """Make what peers need, and PyTorch's own results."""
    row, weights = ROWS[name], folder / "weights.pt"
    frame = networks.camera_frame(row)
    np.save(folder / "frame.npy", frame)
    np.save(folder / "fitted.npy", cv2.resize(frame, row.size_hw[::-1]))
    network = networks.ours(row, weights)
    case = Case(folder, name, row.is_detector, row.size_hw, network.mean_rgb, network.std_rgb)
    plain_export(networks.plain(row, weights), row, folder / "plain.onnx")
    convert(folder, row)
    eager = TorchEager(case, threads=torch.get_num_threads())
    for picture in ("frame", "fitted"):
        np.savez(folder / f"reference-{picture}.npz", **eager.run(case.frame(picture)))
    case.write()


def plain_export(module: nn.Module, row: Row, path: Path) -> None:
    """Export as PyTorch's and torchvision's pages show."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if row.is_detector:
            torch.onnx.export(
                module,
                ([torch.rand(3, *row.frame_hw)],),
                str(path),
                opset_version=OPSET,
                dynamo=False,
                input_names=["image"],
                output_names=["boxes", "labels", "scores", "masks"],
            )
            return
        torch.onnx.export(
            module,
            (torch.rand(1, 3, *row.size_hw),),
            str(path),
            dynamo=True,
            external_data=False,
            input_names=["image"],
            output_names=["logits"],
        )


def convert(folder: Path, row: Row) -> None:
    """Convert the plain export by MNN's and ncnn's own converters; what fails is written down."""
    shape = [3, *row.frame_hw] if row.is_detector else [1, 3, *row.size_hw]
    mnn = ["-f", "ONNX", "--modelFile", "plain.onnx", "--MNNModel", "plain.mnn", "--bizCode", "edgeseg"]
    _convert(folder, "plain.mnn", [sys.executable, "-c", MNN_CONVERTER, *mnn])
    sizes = f"inputshape=[{','.join(map(str, shape))}]"
    _convert(folder, "plain.ncnn.param", ["pnnx", "plain.onnx", sizes, "fp16=0"])


def _convert(folder: Path, result: str, command: Sequence[str]) -> None:
    beside = os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", "")))
    program = shutil.which(command[0], path=beside)
    name = Path(command[0]).name
    if program is None:
        (folder / f"{result}.failed").write_text(f"{name} is not installed")
        return
    ended = run_limited([program, *command[1:]], CONVERSION_TIMEOUT_S, cwd=folder)
    if ended.status is None:
        (folder / f"{result}.failed").write_text(f"{name} does not end within {CONVERSION_TIMEOUT_S} s")
        return
    printed = f"{ended.printed}\n{ended.errors}"
    (folder / f"{result}.log").write_text(printed)
    if ended.status != 0 or not (folder / result).exists():
        said = [line for line in printed.splitlines() if line.strip()][-1:]
        why = f"the converter ends with {ended.status}: {' '.join(said)}"
        (folder / f"{result}.failed").write_text(why)


if __name__ == "__main__":
    main()
