"""Convert portable models as a build does, without a backend."""

from __future__ import annotations

from pathlib import Path

import onnx_ir as ir

from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.choice import Target, choose_int8, quantised
from edgeseg.graph.precision.convert import Calibration, to_fp16
from edgeseg.graph.precision.evaluator import Evaluator
from edgeseg.graph.precision.report import PrecisionReport
from edgeseg.graph.running import open_run
from edgeseg.spec import Int8Scheme


def in_fp16(path: Path, calibration: Calibration) -> tuple[ir.Model, PrecisionReport]:
    model = PortableModel.read(path)
    made = to_fp16(model, calibration, Evaluator(open_run(path), model.spec, calibration.images))
    return made.model, made.report


def in_int8(path: Path, calibration: Calibration, scheme: Int8Scheme) -> tuple[ir.Model, PrecisionReport]:
    model = PortableModel.read(path)
    evaluator = Evaluator(open_run(path), model.spec, calibration.images)
    made = quantised(model, choose_int8(model, calibration, evaluator, Target(scheme)))
    return made.model, made.report
