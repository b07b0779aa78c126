"""`edgeseg build`: a portable model becomes an engine for this machine, proven, or nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from edgeseg.cli.backend_options import backend_flags, devices_help, given
from edgeseg.cli.calibration_options import RANGE_FLAGS, Ranges, calibration_flags, check_ranges
from edgeseg.cli.images import read_images
from edgeseg.cli.options import DEVICES, PATH, THREADS, status
from edgeseg.cli.tables import (
    beside_float_lines,
    measured_lines,
    passes_lines,
    print_parity,
    print_precision,
    race_lines,
)
from edgeseg.engines.packed import PackedRequest
from edgeseg.engines.registry import AUTO, DEFAULT, backends
from edgeseg.errors import UsageError
from edgeseg.interrupts import INTERRUPTED
from edgeseg.spec import Precision

if TYPE_CHECKING:
    from edgeseg.engines.building.package import ToBuild
    from edgeseg.graph.portable import PortableModel

TRITON = "triton"  # beside the backends: a server, which has its own


def _one_of(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> str | None:
    """Take what --backend and --target say, of which click would take the last alone."""
    named = set(given)
    if named == {TRITON, DEFAULT}:  # a repository's network runs in that backend
        return TRITON
    if len(named) > 1:
        raise UsageError(
            f"--backend and --target are two names of one option, got {' and '.join(dict.fromkeys(given))}; "
            f"give one (the network of a --target {TRITON} runs in {DEFAULT})"
        )
    return next(iter(named), None)


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--backend",
    "--target",
    "backend",
    type=click.Choice((*backends(), AUTO, TRITON)),
    multiple=True,
    callback=_one_of,
    help=f"{DEFAULT} by default; {AUTO} takes the fastest of those for this processor; {TRITON} writes a "
    "model repository for that server.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    help="fp32 by default. fp16 and int8 leave in float what would lose too much.",
)
@click.option(
    "--device",
    type=click.Choice(DEVICES),
    help=devices_help(),
)
@click.option("--threads", type=THREADS, help="Threads per inference; measured by default.")
@click.option("--images", type=PATH, help="Images to prove and measure on, besides generated ones.")
@calibration_flags
@backend_flags
@click.option(
    "--measure-again", is_flag=True, help="Use no times that earlier builds measured on this machine."
)
@click.option(
    "--passes/--no-passes",
    default=True,
    help="Change an fp32 graph where that measures faster here (the default), or leave it as exported.",
)
@click.option("--package", is_flag=True, help="Write one file that a device builds from, with these options.")
@click.option("--portable", is_flag=True, hidden=True)  # what --package was called before
@click.option(
    "-o", "--output", type=PATH, required=True, metavar="ENGINE", help="The folder, or package, to write."
)
def command(
    *,
    model: Path,
    threads: int | None,
    images: Path | None,
    measure_again: bool,
    passes: bool,
    package: bool,
    portable: bool,
    output: Path,
    **choices: Any,
) -> None:
    """Turn MODEL into an engine for this machine: a portable model, or a package made with --package.

    Options such as the number of threads are chosen by measuring a few of them here. The engine is written
    only after it has computed what PyTorch computed; fp16 and int8 engines within wider tolerances, and with
    a report of what computes in which precision (edgeseg inspect ENGINE).
    """
    if choices["backend"] == TRITON:
        if package or portable or measure_again or not passes:
            raise UsageError(f"--package, --measure-again and --no-passes are not for --target {TRITON}")
        from edgeseg.cli.build_triton import write_repository

        ranges = Ranges(**{name: choices.pop(name) for name in RANGE_FLAGS})
        asked = PackedRequest(options=given(choices), **{**choices, "backend": DEFAULT})
        write_repository(model, output, asked, threads=threads, images=images, ranges=ranges)
        return
    from edgeseg.engines.building.package import RANGES_NAME, is_package, pack, to_build
    from edgeseg.graph.portable import PortableModel

    ranges = Ranges(**{name: choices.pop(name) for name in RANGE_FLAGS})
    asked = PackedRequest(options=given(choices), **choices)
    if package or portable:
        if is_package(model) or threads or images or measure_again or not passes:
            raise UsageError(
                "--package packs an .onnx; --threads, --images, --measure-again and --no-passes are for the "
                "device's build"
            )
        packed, files = asked.detached()
        with status(f"packing {model}") as say, tempfile.TemporaryDirectory() as folder:
            source = PortableModel.read(model)
            attachments = {name: path for name, path in files.items() if path.exists()}
            if ranges.calibration is not None:
                attachments[RANGES_NAME] = Path(folder) / RANGES_NAME
                _write_ranges(attachments[RANGES_NAME], source, packed, ranges, say)
            pack(source, output, packed, attachments=attachments)
        click.echo(f"{output}: next, on the device: edgeseg build {output} -o ENGINE")
        return
    if not is_package(model):  # a package says by itself what it asks for
        check_ranges(asked.request(threads).precision, ranges)
    with to_build(model, asked, threads) as wanted:
        check_ranges(wanted.request.precision, ranges, wanted.choice)
        _build(wanted, output, images=images, ranges=ranges, measure_again=measure_again, passes=passes)


def _write_ranges(
    path: Path, model: PortableModel, packed: PackedRequest, ranges: Ranges, say: Callable[[str], None]
) -> None:
    """Measure int8 ranges here, which spares the device doing it."""
    from edgeseg.engines.building.conversion import evaluator_of, int8_target
    from edgeseg.graph.precision.choice import choose_int8

    if packed.precision != "int8" or packed.backend in (None, AUTO):
        raise UsageError("--calibration with --package is for --precision int8 and one --backend")
    calibration = ranges.read(model.spec)
    assert calibration is not None
    target = int8_target(model.spec, packed.request())
    choice = choose_int8(model, calibration, evaluator_of(model, calibration), target, say)
    path.write_text(choice.to_json())
    print_precision(choice.report)


def _build(
    wanted: ToBuild,
    output: Path,
    *,
    images: Path | None,
    ranges: Ranges,
    measure_again: bool,
    passes: bool,
) -> None:
    from edgeseg.engines import timings
    from edgeseg.engines.backend import next_command, remarks_on
    from edgeseg.engines.building.build import build_engine

    request, spec = wanted.request, wanted.model.spec
    frames = None if images is None else read_images(images, spec.input)
    with status(f"building {output} for {request.backend}") as say:
        built = build_engine(
            wanted.model,
            output,
            request=request,
            images=frames,
            calibration=ranges.read(spec) or wanted.choice,
            measure_again=measure_again,
            passes=passes,
            on_step=say,
        )
    for line in (
        *measured_lines(built.measured),
        *passes_lines(built.manifest.passes),
        *race_lines(built.race),
        *remarks_on(output, built.manifest),
    ):
        click.echo(line)
    if any(entry.recalled for entry in (*built.measured, *built.beside_float)):
        click.echo(f"times measured before are from {timings.folder()}; --measure-again measures anew")
    if built.precision is not None:
        print_precision(built.precision)
    for line in beside_float_lines(built.beside_float):
        click.echo(line)
    print_parity(built.parity)
    if built.precision is not None and built.precision.interrupted:
        raise click.exceptions.Exit(INTERRUPTED)
    click.echo(f"{output}: next: {next_command(output, built.manifest)}")
