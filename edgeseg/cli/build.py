"""`edgeseg build`: a portable model becomes an engine for this machine, proven, or nothing."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from edgeseg.cli.calibration_options import RANGE_FLAGS, Ranges, calibration_flags
from edgeseg.cli.images import read_images
from edgeseg.cli.options import DEVICES, PATH, THREADS, status
from edgeseg.cli.tables import (
    beside_float_lines,
    left_over_lines,
    measured_lines,
    print_parity,
    print_precision,
)
from edgeseg.cli.tensorrt_options import tensorrt_flags
from edgeseg.errors import UsageError
from edgeseg.interrupts import INTERRUPTED
from edgeseg.spec import Precision

if TYPE_CHECKING:
    from edgeseg.engines.job import TensorRTOptions
    from edgeseg.export.package import Recipe
    from edgeseg.graph.portable import PortableModel

BACKENDS = ("onnxruntime", "openvino", "tensorrt", "tensorrt_rtx", "auto")


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    help="onnxruntime by default; auto takes the faster of those for this processor.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="fp32 by default. fp16 and int8 leave in float what would lose too much.",
)
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    help="cpu by default. For onnxruntime an execution provider; gpu is an Intel one, for openvino.",
)
@click.option("--threads", type=THREADS, help="Threads per inference; measured by default.")
@click.option(
    "--hint",
    type=click.Choice(["latency", "throughput"]),
    help="OpenVINO: one inference fast (the default), or several side by side.",
)
@click.option(
    "--computes-in",
    type=click.Choice(["f32", "f16", "bf16"]),
    help="OpenVINO: float layers of fp16 and int8 engines; in fp16 by default the processor's own half.",
)
@click.option("--images", type=PATH, help="Images to prove and measure on, besides generated ones.")
@calibration_flags
@tensorrt_flags
@click.option(
    "--portable", is_flag=True, help="Write one file that a device builds from, with these options."
)
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="ENGINE", help="The folder, or package, to write."
)
def command(
    *,
    model: Path,
    threads: int | None,
    images: Path | None,
    portable: bool,
    output: Path,
    **choices: Any,
) -> None:
    """Turn MODEL into an engine for this machine: a portable model, or a package made with --portable.

    Options such as the number of threads are chosen by measuring a few of them here. The engine is written
    only after it has computed what PyTorch computed; fp16 and int8 engines within wider tolerances, and with
    a report of what computes in which precision (edgeseg inspect ENGINE).
    """
    from edgeseg.engines.job import TensorRTOptions
    from edgeseg.export.package import MODEL_NAME, RANGES_NAME, TIMINGS_NAME, Recipe, is_package, pack, unpack
    from edgeseg.graph.portable import PortableModel

    tensorrt = TensorRTOptions(**{field.name: choices.pop(field.name) for field in fields(TensorRTOptions)})
    ranges = Ranges(**{name: choices.pop(name) for name in RANGE_FLAGS})
    recipe = Recipe(**choices)
    if portable:
        if is_package(model) or threads or images:
            raise UsageError("--portable packs an .onnx; --threads and --images are for the device's build")
        with status(f"packing {model}") as say, tempfile.TemporaryDirectory() as folder:
            source = PortableModel.read(model)
            attachments = _attachments(source, recipe, ranges, tensorrt, folder=Path(folder), say=say)
            pack(source, output, recipe, attachments=attachments)
        click.echo(f"{output}: next, on the device: edgeseg build {output} -o ENGINE")
        return
    if not is_package(model):
        _build(model, output, recipe, tensorrt, threads=threads, images=images, ranges=ranges)
        return
    with tempfile.TemporaryDirectory() as unpacked:
        contents = Path(unpacked)
        package = unpack(model, contents)
        asked = {name: value for name, value in choices.items() if value is not None}
        recipe = dataclasses.replace(package.recipe, **asked)
        if TIMINGS_NAME in package.files and recipe.backend == "tensorrt" and tensorrt.timing_cache is None:
            tensorrt = dataclasses.replace(tensorrt, timing_cache=contents / TIMINGS_NAME)
        if RANGES_NAME in package.files and recipe.precision == "int8" and ranges.calibration is None:
            ranges = dataclasses.replace(ranges, packed=contents / RANGES_NAME)
        _build(contents / MODEL_NAME, output, recipe, tensorrt, threads=threads, images=images, ranges=ranges)


def _attachments(
    model: PortableModel,
    recipe: Recipe,
    ranges: Ranges,
    tensorrt: TensorRTOptions,
    *,
    folder: Path,
    say: Callable[[str], None],
) -> dict[str, Path]:
    """Collect what spares the device its own measurements: int8 ranges, and TensorRT's timed kernels."""
    from edgeseg.engines.backend import open_backend
    from edgeseg.engines.job import Request
    from edgeseg.export.engines.lowered import int8_target, judge_of
    from edgeseg.export.package import RANGES_NAME, TIMINGS_NAME
    from edgeseg.graph.precision.choice import choose_int8

    found: dict[str, Path] = {}
    if ranges.calibration is not None:
        if recipe.precision != "int8" or recipe.backend in (None, "auto"):
            raise UsageError("--calibration with --portable is for --precision int8 and one --backend")
        calibration = ranges.read(model.spec)
        assert calibration is not None
        request = Request(recipe.backend, "int8", recipe.device)
        target = int8_target(model.spec, request, open_backend)
        choice = choose_int8(model.proto, calibration, judge_of(model, calibration), target, say)
        found[RANGES_NAME] = folder / RANGES_NAME
        found[RANGES_NAME].write_text(choice.to_json())
        print_precision(choice.report)
    if tensorrt.timing_cache is not None and tensorrt.timing_cache.exists():
        found[TIMINGS_NAME] = tensorrt.timing_cache
    return found


def _build(
    model: Path,
    output: Path,
    recipe: Recipe,
    tensorrt: TensorRTOptions,
    *,
    threads: int | None,
    images: Path | None,
    ranges: Ranges,
) -> None:
    from edgeseg.engines.backend import open_backend
    from edgeseg.engines.job import OpenVINOOptions, Request
    from edgeseg.export.engines.build import NO_CALIBRATION, build
    from edgeseg.graph.portable import PortableModel

    backend, precision = recipe.backend or "onnxruntime", recipe.precision or "fp32"
    if precision == "int8" and ranges.calibration is None and ranges.packed is None:
        raise UsageError(NO_CALIBRATION)
    if precision == "fp32" and ranges.calibration is not None:
        raise UsageError("--calibration is for fp16 and int8; to prove fp32 on images, use --images")
    portable = PortableModel.read(model)
    spec = portable.spec
    frames = None if images is None else read_images(images, spec.input)
    openvino = OpenVINOOptions(recipe.hint or "latency", recipe.computes_in)
    request = Request(backend, precision, recipe.device, threads, openvino, tensorrt)
    with status(f"building {output} for {backend}") as say:
        built = build(
            portable,
            output,
            open_engine=open_backend,
            request=request,
            images=frames,
            calibration=ranges.read_packed() or ranges.read(spec),
            on_step=say,
        )
    for line in (*measured_lines(built.measured), *left_over_lines(built.manifest.options)):
        click.echo(line)
    if built.precision is not None:
        print_precision(built.precision)
    for line in beside_float_lines(built.beside_float):
        click.echo(line)
    print_parity(built.parity)
    if built.precision is not None and built.precision.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    click.echo(f"{output}: next: edgeseg run {output} SOURCE -o result.mp4")
