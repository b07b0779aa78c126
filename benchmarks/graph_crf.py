"""The CRF in the graph, alone: its time in ONNX Runtime and OpenVINO, and its agreement with pydensecrf.

The reference comes from `benchmarks/graph_crf_reference.py`, run by an interpreter that has pydensecrf2.
Agreement is the share of equal labels, the least and the mean over photographs.

    python -m benchmarks.graph_crf reference.npz [--strides 4 8] [--repeats 3]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import openvino
import torch
from torch import Tensor, nn

from benchmarks.graph_crf_settings import ITERATIONS, SETTINGS
from edgeseg.export.portable import open_run
from edgeseg.export.tracing import trace
from edgeseg.models.dense_crf import DenseCRF, kernel_bytes
from edgeseg.spec import CRFSpec

Labels = Callable[[np.ndarray], np.ndarray]


class Refinement(nn.Module):
    """Image to labels, with logits that are always the same."""

    def __init__(self, crf: DenseCRF, logits: np.ndarray) -> None:
        super().__init__()
        self.crf = crf
        self.register_buffer("logits", torch.from_numpy(logits)[None])

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Turn uint8 BGR (1, H, W, 3) into labels (1, H, W) uint8."""
        return (self.crf(self.logits, image).argmax(dim=1).to(torch.uint8),)


@dataclass(frozen=True)
class Case:
    """One photograph with one set of logits, and what pydensecrf made of them."""

    image: np.ndarray
    logits: np.ndarray
    labels: np.ndarray
    milliseconds: float


def main() -> None:
    """Print one row a size, number of classes, setting and stride."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("reference", type=Path)
    parser.add_argument("--strides", nargs="+", type=int, default=[4, 8])
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(
        f"{'size':>9} {'classes':>7} {'setting':>7} {'stride':>6} {'kernel MiB':>10} {'agree min':>9} "
        f"{'mean':>7} {'unrefined':>9} {'pydensecrf ms':>13} {'ORT ms':>7} {'OpenVINO ms':>11}"
    )
    with np.load(arguments.reference) as arrays:
        for size, classes in dict.fromkeys((n.split("/")[0], n.split("/")[2]) for n in _logits(arrays.files)):
            for setting in SETTINGS:
                cases = list(_cases(arrays, size, classes, setting))
                for stride in arguments.strides:
                    report(size, classes, setting, stride, cases, repeats=arguments.repeats)


def report(
    size: str, classes: str, setting: str, stride: int, cases: Sequence[Case], *, repeats: int
) -> None:
    """Print one row."""
    size_hw = cases[0].labels.shape
    position, colour, weight = SETTINGS[setting]
    crf = DenseCRF(CRFSpec(size_hw[0], position, colour, weight, iterations=ITERATIONS), size_hw, stride)
    agreements = [100 * (eager(crf, case) == case.labels).mean() for case in cases]
    unrefined = [100 * (case.logits.argmax(axis=0) == case.labels).mean() for case in cases]
    times = [_median_ms(run, cases[0].image[None], repeats) for run in engines(crf, cases[0])]
    print(
        f"{size:>9} {classes:>7} {setting:>7} {stride:6} {kernel_bytes(size_hw, stride) / 2**20:10.0f} "
        f"{min(agreements):9.2f} {np.mean(agreements):7.2f} {np.mean(unrefined):9.2f} "
        f"{np.median([case.milliseconds for case in cases]):13.0f} {times[0]:7.0f} {times[1]:11.0f}",
        flush=True,
    )


def eager(crf: DenseCRF, case: Case) -> np.ndarray:
    """Refine in PyTorch, (H, W) class ids."""
    with torch.inference_mode():
        refined = crf(torch.from_numpy(case.logits)[None], torch.from_numpy(case.image)[None])
    labels: np.ndarray = refined[0].argmax(dim=0).numpy()
    return labels


def engines(crf: DenseCRF, case: Case) -> Iterator[Labels]:
    """Open the graph in ONNX Runtime, and then in OpenVINO in float32."""
    image = torch.from_numpy(case.image)[None]
    model = trace(Refinement(crf, case.logits).eval(), image, ("labels",), "onnx")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crf.onnx"
        ir.save(model, path)
        session = open_run(path)
        yield lambda images: session(images)["labels"]
        compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        yield lambda images: compiled([images])[0]


def _logits(names: Sequence[str]) -> Iterator[str]:
    return (name for name in names if name.endswith("/logits"))


def _cases(arrays: np.lib.npyio.NpzFile, size: str, classes: str, setting: str) -> Iterator[Case]:
    for name in _logits(arrays.files):
        case = name.removesuffix("/logits")
        if case.startswith(f"{size}/") and case.endswith(f"/{classes}"):
            yield Case(
                arrays[f"{case.rpartition('/')[0]}/image"],
                arrays[name],
                arrays[f"{case}/{setting}/labels"],
                float(arrays[f"{case}/{setting}/milliseconds"]),
            )


def _median_ms(run: Labels, images: np.ndarray, repeats: int) -> float:
    run(images)
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        run(images)
        times.append(1e3 * (time.perf_counter() - start))
    return float(np.median(times))


if __name__ == "__main__":
    main()
