"""Convert portable models as a build does, without a backend."""

from __future__ import annotations

from pathlib import Path

import onnx

from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.choice import Target, choose_int8, quantised
from edgeseg.graph.precision.convert import Calibration, to_fp16
from edgeseg.graph.precision.judge import Judge
from edgeseg.graph.precision.report import PrecisionReport
from edgeseg.graph.running import open_run
from edgeseg.spec import Int8Scheme


def in_fp16(path: Path, calibration: Calibration) -> tuple[onnx.ModelProto, PrecisionReport]:
    portable = PortableModel.read(path)
    model, spec = portable.proto, portable.spec
    return to_fp16(model, calibration, Judge(open_run(path), spec, calibration.images))


def in_int8(
    path: Path, calibration: Calibration, scheme: Int8Scheme
) -> tuple[onnx.ModelProto, PrecisionReport]:
    portable = PortableModel.read(path)
    model, spec = portable.proto, portable.spec
    judge = Judge(open_run(path), spec, calibration.images)
    choice = choose_int8(model, calibration, judge, Target(scheme))
    return quantised(model, choice), choice.report
