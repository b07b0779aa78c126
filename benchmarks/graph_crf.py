"""Measure the CRF in the graph alone: agreement with the native stage and with pydensecrf2, and time.

Photographs, rough logits and settings of `benchmarks.crf`. Agreement is the share of equal labels in percent,
the least and the mean over photographs; `before` is that of the unrefined labels with the native stage's.
Milliseconds are those of the first photograph, in the float32 graphs of ONNX Runtime and OpenVINO.

    python -m benchmarks.graph_crf [--sizes 240x320 512x512] [--strides 4 8] [--photographs N] [--repeats N]
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx_ir as ir
import openvino
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.crf import (
    LABELS,
    PHOTOGRAPHS,
    SETTINGS,
    Way,
    interleaved,
    photograph,
    pydensecrf_labels,
    rough_logits,
)
from edgeseg.export.tracing import trace
from edgeseg.graph.running import open_run
from edgeseg.models.in_graph_crf import InGraphCRF, kernel_bytes
from edgeseg.runtime.crf import DenseCRF
from edgeseg.spec import CRFSpec

SIZES = ("240x320", "512x512")
STRIDES = (4, 8)
COLUMNS = (
    f"{'size':>7} {'labels':>6} {'setting':>7} {'stride':>6} {'kernel MiB':>10}   "
    f"{'native min':>10} {'mean':>6}   {'pydensecrf min':>14} {'mean':>6}   {'before':>6}   "
    f"{'ORT ms':>7} {'OpenVINO ms':>11}"
)


class Refinement(nn.Module):
    """Image to labels, with logits that are always the same."""

    def __init__(self, crf: InGraphCRF, logits: NDArray[np.float32]) -> None:
        super().__init__()
        self.crf = crf
        self.register_buffer("logits", torch.from_numpy(logits)[None])

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """Turn uint8 BGR (1, H, W, 3) into labels (1, H, W) uint8."""
        return (self.crf(self.logits, image).argmax(dim=1).to(torch.uint8),)


@dataclass(frozen=True, eq=False)
class Case:
    """One photograph (H, W, 3) with one set of logits (L, H, W), and the labels (H, W) that others give."""

    image: NDArray[np.uint8]
    logits: NDArray[np.float32]
    native: NDArray[np.uint8]
    pydensecrf: NDArray[np.generic]


def main() -> None:
    """Print a row for every size, number of labels, setting and stride, and then means over the labels."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", nargs="+", default=SIZES)
    parser.add_argument("--strides", nargs="+", type=int, default=STRIDES)
    parser.add_argument("--photographs", type=int, default=3, choices=range(1, len(PHOTOGRAPHS) + 1))
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    means = defaultdict(list)
    print(COLUMNS)
    for size in arguments.sizes:
        height, width = map(int, size.split("x"))
        images = [photograph(name, (height, width)) for name in PHOTOGRAPHS[: arguments.photographs]]
        for count in LABELS:
            logits = [rough_logits(image, count) for image in images]
            for setting, parameters in SETTINGS.items():
                spec = dataclasses.replace(parameters, height=height)
                cases = [case_of(i, x, spec) for i, x in zip(images, logits, strict=True)]
                for stride in arguments.strides:
                    print(f"{size:>7} {count:6} {setting:>7} {stride:6}", end=" ", flush=True)
                    agreements = report(spec, stride, cases, repeats=arguments.repeats)
                    means[size, stride, setting].append(agreements)
    print(f"\n{'mean over labels':24} {'native':>16} {'pydensecrf':>10} {'before':>6}")
    for (size, stride, setting), values in means.items():
        native, theirs, before = (statistics.mean(column) for column in zip(*values, strict=True))
        print(
            f"{size:>7}, stride {stride:2}, setting {setting:10} {native:7.2f} {theirs:10.2f} {before:6.2f}"
        )


def case_of(image: NDArray[np.uint8], logits: NDArray[np.float32], spec: CRFSpec) -> Case:
    """Refine logits by the native stage and by pydensecrf2, from a spec whose height is the image's."""
    return Case(image, logits, DenseCRF(spec)(logits, image).labels, pydensecrf_labels(logits, image, spec))


def report(spec: CRFSpec, stride: int, cases: Sequence[Case], *, repeats: int) -> tuple[float, float, float]:
    """Print the figures of one row; return the means: with the native stage, with pydensecrf2, and before."""
    size_hw = cases[0].native.shape
    crf = InGraphCRF(spec, (size_hw[0], size_hw[1]), stride)
    labels = [eager(crf, case) for case in cases]
    native = [agreement(ours, case.native) for ours, case in zip(labels, cases, strict=True)]
    theirs = [agreement(ours, case.pydensecrf) for ours, case in zip(labels, cases, strict=True)]
    before = [agreement(case.logits.argmax(axis=0), case.native) for case in cases]
    times_ms = [interleaved({"": way}, repeats)[1][""] for way in engines(crf, cases[0])]
    kernel_mib = kernel_bytes((size_hw[0], size_hw[1]), stride) / 2**20
    print(
        f"{kernel_mib:10.0f}   {min(native):10.2f} {statistics.mean(native):6.2f}   {min(theirs):14.2f} "
        f"{statistics.mean(theirs):6.2f}   {statistics.mean(before):6.2f}   {times_ms[0]:7.0f} "
        f"{times_ms[1]:11.0f}",
        flush=True,
    )
    return statistics.mean(native), statistics.mean(theirs), statistics.mean(before)


def agreement(ours: NDArray[np.generic], theirs: NDArray[np.generic]) -> float:
    """Give the share of equal labels in percent."""
    return 100 * float((ours == theirs).mean())


def eager(crf: InGraphCRF, case: Case) -> NDArray[np.int64]:
    """Refine in PyTorch, (H, W) class ids."""
    with torch.inference_mode():
        refined = crf(torch.from_numpy(case.logits)[None], torch.from_numpy(case.image)[None])
    labels: NDArray[np.int64] = refined[0].argmax(dim=0).numpy()
    return labels


def engines(crf: InGraphCRF, case: Case) -> Iterator[Way]:
    """Open the graph in ONNX Runtime, and then in OpenVINO in float32."""
    images = case.image[None]
    model = trace(Refinement(crf, case.logits).eval(), torch.from_numpy(images), ("labels",), "onnx")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "crf.onnx"
        ir.save(model, path)
        session = open_run(path)
        yield lambda: session(images)["labels"]
        compiled = openvino.Core().compile_model(str(path), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        yield lambda: compiled([images])[0]


if __name__ == "__main__":
    main()
