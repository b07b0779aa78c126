"""The options of `edgeseg build` that say what fp16 and int8 are measured on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import click

from edgeseg.cli.images import CALIBRATION_IMAGES, read_images
from edgeseg.cli.label_maps import read_labelled
from edgeseg.cli.options import PATH, Number
from edgeseg.errors import UsageError
from edgeseg.spec import CalibrationMethod, ModelSpec, Precision

if TYPE_CHECKING:
    from edgeseg.graph.precision.choice import Int8Choice
    from edgeseg.graph.precision.convert import Calibration

Command = TypeVar("Command", bound=Callable[..., Any])
RANGE_FLAGS = ("calibration", "labels", "calibration_method", "calibration_cache", "max_drop")


@dataclass(frozen=True)
class Ranges:
    """What the user says of calibration; each field is a flag of the same name."""

    calibration: Path | None
    labels: Path | None
    calibration_method: CalibrationMethod | None
    calibration_cache: Path | None
    max_drop: float

    def read(self, spec: ModelSpec) -> Calibration | None:
        """Read the images, and their label maps; None where there are none to read.

        Raises:
            UsageError: if there are labels without images, or of another kind.
        """
        from edgeseg.graph.precision.convert import Calibration

        if self.calibration is None:
            if self.labels is not None:
                raise UsageError("--labels belong to the images of --calibration; give both")
            return None
        labels = None
        if self.labels is None:
            images = read_images(self.calibration, spec.input, most=CALIBRATION_IMAGES)
        else:
            images, labels = read_labelled(self.calibration, self.labels, spec)
        return Calibration(images, self.calibration_method, self.calibration_cache, self.max_drop, labels)


def check_ranges(precision: Precision, ranges: Ranges, packed: Int8Choice | None = None) -> None:
    """Refuse int8 without a calibration, of the user's or of a package's, and a calibration for nothing.

    Raises:
        UsageError: with what to do instead.
    """
    from edgeseg.engines.building.build import NO_CALIBRATION

    if precision == "int8" and ranges.calibration is None and packed is None:
        raise UsageError(NO_CALIBRATION)
    if precision == "fp32" and ranges.calibration is not None:
        raise UsageError("--calibration is for fp16 and int8; to prove fp32 on images, use --images")


def calibration_flags(command: Command) -> Command:
    """Give a command the flags of `Ranges`."""
    for flag in reversed(_FLAGS):
        command = flag(command)
    return command


_FLAGS = (
    click.option(
        "--calibration",
        type=PATH,
        help="For int8: a folder of typical images (or a video) to measure ranges and accuracy on.",
    ),
    click.option(
        "--labels",
        type=PATH,
        help="Label maps of the --calibration images: PNGs of their names, values are class ids. Points "
        "lost are true ones then, and not differences from fp32.",
    ),
    click.option(
        "--calibration-method",
        type=click.Choice(get_args(CalibrationMethod)),
        help="How int8 ranges follow from what was measured; by default the way that loses least.",
    ),
    click.option(
        "--calibration-cache",
        type=PATH,
        help="A file that keeps what was measured for the next build, also of an interrupted one.",
    ),
    click.option(
        "--max-drop",
        type=Number(0.0, 100.0),
        default=0.5,
        show_default=True,
        help="Points that int8 may lose: of mIoU with --labels, else of class overlap, or F1, with fp32.",
    ),
)
