"""Which checkpoints are recognised and exported, and how far our engine is from the library's own model.

A row is a checkpoint as its training library writes it, with weights that are not trivial: networks as made,
with batch normalisation of other statistics, or trained for some steps. What fails is a row with its reason.

    python -m benchmarks.families [--rows PART ...] [--precisions fp32 fp16 int8] [--markdown FILE]
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import family_rows
from benchmarks.family_rows.case import Case, Labels
from edgeseg.engines import Calibration, build
from edgeseg.errors import EdgesegError, one_line
from edgeseg.export import export
from edgeseg.metrics.label_agreement import LabelErrors
from edgeseg.metrics.object_agreement import Instances, score_weighted_f1
from edgeseg.models.families.registry import recognise
from edgeseg.models.families.source import read_source
from edgeseg.runtime import InstanceResult, Segmenter, SemanticResult
from edgeseg.scenes.scene import generate
from edgeseg.spec import MAX_CLASSES, Precision

IMAGES = 8
FIRST_CALIBRATION_SEED = 5000  # far from the scenes that are compared on
CALIBRATION_IMAGES = 8
HEADINGS = (
    "family",
    "architecture",
    "checkpoint",
    "recognised",
    "exported",
    "largest error",
    "fp16 drop",
    "int8 drop",
    "seconds",
)


@dataclass
class Row:
    """What became of a case.

    Attributes:
        case: that was tried.
        recognised: what the file alone says, or why it says nothing.
        exported: `yes`, or why not.
        errors: for each precision, in task terms: of the worst image, the share of pixels with another label,
            or 1 - F1 of the objects.
        seconds: that all of it took.
    """

    case: Case
    recognised: str = ""
    exported: str = ""
    errors: dict[Precision, str] = field(default_factory=dict)
    seconds: float = 0.0

    def cells(self) -> tuple[str, ...]:
        """Give the row as text, a cell for each heading."""
        case, errors = self.case, self.errors
        told = (errors.get(precision, "") for precision in ("fp32", "fp16", "int8"))
        return (
            case.family,
            case.architecture,
            case.written,
            self.recognised,
            self.exported,
            *told,
            f"{self.seconds:.0f}",
        )


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], metavar="PART", help="of the names of rows")
    parser.add_argument("--precisions", nargs="+", default=["fp32"], choices=["fp32", "fp16", "int8"])
    parser.add_argument("--markdown", type=Path, help="also write the table to this file")
    arguments = parser.parse_args()
    lines = ["| " + " | ".join(HEADINGS) + " |", "| " + " | ".join(["---"] * len(HEADINGS)) + " |"]
    print("\n".join(lines))
    for case in cases():
        if not any(part.lower() in case.name.lower() for part in arguments.rows):
            continue
        line = (
            "| "
            + " | ".join(cell.replace("|", "/") for cell in tried(case, arguments.precisions).cells())
            + " |"
        )
        lines.append(line)
        print(line, flush=True)
    if arguments.markdown is not None:
        arguments.markdown.write_text("\n".join(lines) + "\n")


def cases() -> Iterator[Case]:
    """Give the cases of every module of `family_rows`."""
    for module in pkgutil.iter_modules(family_rows.__path__):
        found = importlib.import_module(f"{family_rows.__name__}.{module.name}")
        yield from getattr(found, "CASES", ())


def tried(case: Case, precisions: Sequence[Precision]) -> Row:
    """Write a checkpoint, recognise and export it, and compare its engine with what the library computes."""
    row = Row(case)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        try:
            _fill(row, Path(folder), precisions)
        except Exception as error:  # a library may raise anything: the row says what
            reason = one_line(f"{type(error).__name__}: {error}" if str(error) else traceback.format_exc())
            if not row.exported:
                row.exported = f"no: {reason}"
            else:
                row.errors.setdefault("fp32", f"not compared: {reason}")
    row.seconds = time.perf_counter() - started
    return row


def _fill(row: Row, folder: Path, precisions: Sequence[Precision]) -> None:
    case = row.case
    (folder / "weights").mkdir()
    written = case.write(folder / "weights")
    row.recognised = _recognised(case, written.path)
    export(
        case.model or "auto",
        folder / "model.onnx",
        weights=written.path,
        size_hw=case.size_hw,
        num_classes=case.num_classes,
        score_threshold=case.score_threshold,
    )
    row.exported = "yes" if case.model is None else f"as {case.model}"
    frames = [_frame(seed, case.size_hw) for seed in range(IMAGES)]
    expected = [written.eager(frame) for frame in frames]
    for precision in precisions:
        row.errors[precision] = _error(folder, precision, frames, expected, case)


def _recognised(case: Case, path: Path) -> str:
    """Say what the file alone is recognised as."""
    try:
        found = recognise(read_source(path))
    except EdgesegError as error:
        return f"no: {one_line(str(error).partition(';')[0])}"
    wrong = "" if found.model == case.expected else f"no: as {found.model}, "
    return f"{wrong}{found.sure}"


def _error(
    folder: Path,
    precision: Precision,
    frames: Sequence[NDArray[np.uint8]],
    expected: Sequence[Labels | Instances],
    case: Case,
) -> str:
    """Build an engine, and compare what it gives for every frame; or say why there is none."""
    try:
        return _describe_errors(expected, _run(folder, precision, frames, case))
    except EdgesegError as error:
        return f"no engine: {one_line(str(error))}"


def _run(
    folder: Path, precision: Precision, frames: Sequence[NDArray[np.uint8]], case: Case
) -> list[Labels | Instances]:
    """Build an engine of ONNX Runtime, and run it on every frame."""
    images = np.stack([_frame(FIRST_CALIBRATION_SEED + i, case.size_hw) for i in range(CALIBRATION_IMAGES)])
    calibration = None if precision == "fp32" else Calibration(images)
    engine = folder / precision
    build(
        folder / "model.onnx",
        engine,
        backend="onnxruntime",
        precision=precision,
        threads=1,
        calibration=calibration,
        passes=False,
    )
    with Segmenter.open(engine) as segment:
        return [_as_compared(segment(frame)) for frame in frames]


def _as_compared(result: SemanticResult | InstanceResult) -> Labels | Instances:
    if isinstance(result, SemanticResult):
        return result.labels.copy()
    return Instances(
        result.boxes.copy(), result.scores.copy(), result.class_ids.copy(), result.masks.astype(np.float32)
    )


def _describe_errors(expected: Sequence[Labels | Instances], found: Sequence[Labels | Instances]) -> str:
    """Give the error of the worst image, in task terms, and what there was to find."""
    if isinstance(expected[0], Instances):
        worst = max(1 - score_weighted_f1([one], [other]) for one, other in zip(expected, found, strict=True))
        objects = sum(len(one.scores) for one in expected)
        return f"{100 * worst:.2g} % of F1, of {objects} objects"
    worst = max(_differing(one, other) for one, other in zip(expected, found, strict=True))
    return f"{100 * worst:.2g} % of pixels, of {len(np.unique(np.stack(expected)))} classes"


def _differing(one: Labels, other: Labels) -> float:
    errors = LabelErrors(MAX_CLASSES)
    errors.add_labels(one, other)
    return 1 - errors.label_agreement


def _frame(seed: int, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a BGR scene of this size."""
    return generate(seed, size_hw).image


if __name__ == "__main__":
    main()
