"""Which checkpoints are recognised and exported, and how far our engine is from the library's own model.

A row is a checkpoint as its training library writes it, with weights that are not trivial: networks as made,
with batch normalisation of other statistics, or trained for some steps. What fails is a row with its reason.

    python -m benchmarks.families [--rows PART ...] [--precisions fp16 int8] [--page docs/families.md]
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import re
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks import family_rows
from benchmarks._families_page import Key, line, table, write_rows
from benchmarks.family_rows.case import Case, Labels
from edgeseg.engines import Calibration, build
from edgeseg.errors import EdgesegError
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
NOT_MEASURED = "not measured"
MOST_OF_MESSAGE = 160  # characters of a cell
HEADINGS = (
    "family",
    "architecture",
    "checkpoint",
    "recognised",
    "exported",
    "largest error",
    "fp16 drop",
    "int8 drop",
)


@dataclass
class Row:
    """What became of a case.

    Attributes:
        case: that was tried.
        recognised: what the file alone says, or why it says nothing.
        exported: `yes`, or why not.
        errors: for each precision, in task terms: of the worst image, the share of pixels with another label,
            or 1 - F1 of the objects, against the library; of others than fp32, of all images against fp32.
    """

    case: Case
    recognised: str = ""
    exported: str = ""
    errors: dict[Precision, str] = field(default_factory=dict)

    def cells(self) -> tuple[str, ...]:
        """Give the row as text, a cell for each heading."""
        case, errors = self.case, self.errors
        told = (errors.get(precision, NOT_MEASURED) for precision in ("fp32", "fp16", "int8"))
        return (
            case.family,
            case.architecture,
            case.written,
            self.recognised,
            self.exported,
            *told,
        )


def main() -> None:
    """Print a Markdown table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", nargs="+", default=[""], metavar="PART", help="of the names of rows")
    parser.add_argument("--precisions", nargs="+", default=[], choices=["fp16", "int8"], help="beside fp32")
    parser.add_argument("--page", type=Path, help="also write the rows into this page's table")
    arguments = parser.parse_args()
    found = list(cases())
    measured: dict[Key, Sequence[str]] = {}
    print(table(HEADINGS, []))
    for case in found:
        if not any(part.lower() in case.name.lower() for part in arguments.rows):
            continue
        cells = tried(case, arguments.precisions).cells()
        print(line(cells), flush=True)
        measured[case.key] = cells
        if arguments.page is not None:  # after every row: hours of measuring may be interrupted
            write_rows(arguments.page, HEADINGS, measured, [case.key for case in found])


def cases() -> Iterator[Case]:
    """Give the cases of every module of `family_rows`, by family."""
    names = [module.name for module in pkgutil.iter_modules(family_rows.__path__)]
    modules = [importlib.import_module(f"{family_rows.__name__}.{name}") for name in names]
    found = [case for module in modules for case in getattr(module, "CASES", ())]
    yield from sorted(found, key=lambda case: case.family)


def tried(case: Case, precisions: Sequence[Precision]) -> Row:
    """Write a checkpoint, recognise and export it, and compare its engine with what the library computes."""
    row = Row(case)
    with tempfile.TemporaryDirectory() as folder:
        try:
            _fill(row, Path(folder), precisions)
        except Exception as error:  # a library may raise anything: the row says what
            if not row.exported:
                row.exported = f"no: {_shortened(error)}"
            else:
                row.errors.setdefault("fp32", f"not compared: {_shortened(error)}")
    return row


def _fill(row: Row, folder: Path, precisions: Sequence[Precision]) -> None:
    case = row.case
    (folder / "weights").mkdir()
    written = case.write(folder / "weights")
    row.recognised = "is MODEL itself" if case.is_whole else _recognised(case, written.path)
    export(
        str(written.path) if case.is_whole else case.model or "auto",
        folder / "model.onnx",
        weights=None if case.is_whole else written.path,
        size_hw=case.size_hw,
        num_classes=case.num_classes,
        score_threshold=case.score_threshold,
    )
    row.exported = "yes" if case.model is None else f"as {case.model}"
    frames = [_frame(seed, case.size_hw) for seed in range(IMAGES)]
    expected = [written.eager(frame) for frame in frames]
    in_float = _run(folder, "fp32", frames, case)
    row.errors["fp32"] = _describe_worst(expected, in_float)
    for precision in precisions:
        row.errors[precision] = _drop(folder, precision, frames, case, in_float)


def _drop(
    folder: Path,
    precision: Precision,
    frames: Sequence[NDArray[np.uint8]],
    case: Case,
    in_float: Sequence[Labels | Instances],
) -> str:
    """Build an engine, and give its error of all images together; or say why there is none."""
    try:
        return _percent(_error(in_float, _run(folder, precision, frames, case)))
    except EdgesegError as error:
        return f"no engine: {_shortened(error)}"


def _recognised(case: Case, path: Path) -> str:
    """Say what the file alone is recognised as."""
    try:
        found = recognise(read_source(path))
    except EdgesegError as error:
        return f"no: {_shortened(error)}"
    wrong = "" if found.model == case.expected else f"no: as {found.model}, "
    return f"{wrong}{found.sure}"


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


def _describe_worst(expected: Sequence[Labels | Instances], found: Sequence[Labels | Instances]) -> str:
    """Give the error of the worst image, and what there was to find."""
    worst = max(_error([one], [other]) for one, other in zip(expected, found, strict=True))
    if isinstance(expected[0], Instances):
        return f"{_percent(worst)} of F1, {sum(len(one.scores) for one in expected)} objects"
    return f"{_percent(worst)} of pixels, {len(np.unique(np.stack(expected)))} classes"


def _error(expected: Sequence[Labels | Instances], found: Sequence[Labels | Instances]) -> float:
    """Give 1 - F1 of objects, or the share of pixels with another label; 0..1."""
    if isinstance(expected[0], Instances):
        return 1 - score_weighted_f1(expected, found)
    errors = LabelErrors(MAX_CLASSES)
    for one, other in zip(expected, found, strict=True):
        errors.add_labels(one, other)
    return 1 - errors.label_agreement


def _shortened(error: Exception) -> str:
    """Give what a message says is wrong, without what to do about it; name errors that are not edgeseg's."""
    text = re.split(r"; | \(", re.sub(r"/\S+/", "", str(error)))[0]  # without folders
    named = text if isinstance(error, EdgesegError) else f"{type(error).__name__}: {text}"
    return textwrap.shorten(named, MOST_OF_MESSAGE, placeholder=" ...")


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %"


def _frame(seed: int, size_hw: tuple[int, int]) -> NDArray[np.uint8]:
    """Draw a BGR scene of this size."""
    return generate(seed, size_hw).image


if __name__ == "__main__":
    main()
