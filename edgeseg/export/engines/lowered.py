"""Turn a portable model into the file that an engine of some precision is built from, for one backend."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
from numpy.typing import NDArray

from edgeseg.bundle import Manifest
from edgeseg.errors import EngineError
from edgeseg.export.engines import Int8Scheme, LayerPrecisions, Request
from edgeseg.export.parity import Run, run_all
from edgeseg.export.pictures import pictures
from edgeseg.export.portable import load_portable
from edgeseg.export.precision.agreement import points_lost
from edgeseg.export.precision.convert import Calibration, Int8Choice, choose_int8, quantised, to_fp16
from edgeseg.export.precision.graph import GraphView, Layer
from edgeseg.export.precision.quantise import Scheme
from edgeseg.export.precision.report import PrecisionReport
from edgeseg.spec import ModelSpec

FRESH_SEEDS = range(100, 104)  # of pictures that the export did not see
TOLERATED_SHARE = 0.1  # of the int8 layers, that a library may still compute in float
SLACK = 2.0  # times the drop allowed: other kernels round otherwise, and the proof has fewer images
_LOWERED_NAME = "model.onnx"


@dataclass(frozen=True)
class Lowered:
    """A model in the precision asked for.

    Attributes:
        model: the file; the portable model itself for fp32.
        report: what was done to it; None for fp32.
        layers: of the model.
    """

    model: Path
    report: PrecisionReport | None = None
    layers: Sequence[Layer] = ()

    def built(self, folder: Path, manifest: Manifest) -> PrecisionReport | None:
        """Say in the report what an engine made of the model.

        Raises:
            EngineError: if layers that were to compute in int8 do not.
        """
        read: LayerPrecisions | None = getattr(module_of(manifest.backend), "layer_precisions", None)
        if self.report is None or read is None:
            return self.report
        found = read(folder, manifest, self.layers)
        wanted = [name for name, precision in self.report.layers.items() if precision == "int8"]
        failed = [name for name in wanted if found.get(name, "int8") != "int8"]
        if len(failed) > TOLERATED_SHARE * len(wanted):
            raise EngineError(
                f"{manifest.backend} computes {len(failed)} of the {len(wanted)} int8 layers in float "
                f"({', '.join(failed[:3])}, ..), so this would be int8 in name only; use --precision fp32"
            )
        notes = self.report.notes
        if self.report.precision == "fp16" and set(found.values()) == {"fp32"}:
            notes = (
                *notes,
                f"{manifest.backend} computes fp16 in fp32 on this {manifest.device}: not faster",
            )
        return dataclasses.replace(self.report, built=found or None, notes=notes)


def judged(
    report: PrecisionReport,
    *,
    infer: Run,
    reference: Run,
    images: NDArray[np.uint8],
    manifest: Manifest,
    max_drop: float,
) -> PrecisionReport:
    """Say in the report what the finished engine loses: its library may compute otherwise than ONNX Runtime.

    Raises:
        EngineError: if int8 loses much more than its graph was chosen for.
    """
    batch = manifest.spec.input.batch
    lost = points_lost(run_all(reference, images, batch), run_all(infer, images, batch), manifest.spec)
    if report.precision == "int8" and lost > SLACK * max_drop:
        raise EngineError(
            f"{manifest.backend} loses {lost:.2f} points in int8, its graph {report.drop_points:.2f} in ONNX "
            "Runtime; use --precision fp16, or another --backend"
        )
    return dataclasses.replace(report, engine_drop_points=lost)


@contextmanager
def in_precision(
    model: Path,
    spec: ModelSpec,
    request: Request,
    calibration: Calibration | Int8Choice | None,
    on_step: Callable[[str], None],
) -> Iterator[Lowered]:
    """Give the model in the precision that is asked for; its file is gone afterwards.

    Args:
        calibration: must be there for int8; generated pictures stand in for fp16.
    """
    if request.precision == "fp32":
        yield Lowered(model)
        return
    proto, _ = load_portable(model)
    if request.precision == "int8" and calibration is not None:
        if isinstance(calibration, Calibration):
            calibration = choose_int8(proto, spec, calibration, scheme_of(request), on_step)
        elif calibration.scheme != scheme_of(request):
            raise EngineError(f"the int8 ranges were chosen for another backend than {request.backend}")
        lowered, report = quantised(proto, calibration), calibration.report
    else:
        size_hw = (spec.input.height, spec.input.width)
        if not isinstance(calibration, Calibration):
            calibration = Calibration(pictures(FRESH_SEEDS, size_hw))
        lowered, report = to_fp16(proto, spec, calibration, on_step)
    layers = GraphView(proto).layers()
    del proto
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as folder:
        path = Path(folder) / _LOWERED_NAME
        path.write_bytes(lowered.SerializeToString(deterministic=True))
        yield Lowered(path, report, layers)


def scheme_of(request: Request) -> Scheme:
    """Ask a backend for the form of int8 that it computes."""
    choose: Int8Scheme | None = getattr(module_of(request.backend), "int8_scheme", None)
    return choose(request) if choose else "symmetric"


def module_of(backend: str) -> ModuleType:
    """Import the module of one backend: its library is needed by nobody else."""
    return import_module(f"edgeseg.export.engines.{backend}")
