"""`edgeseg build --target triton`: a portable model or package becomes a model repository for Triton."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

import click

from edgeseg.cli.calibration_options import Ranges, check_ranges
from edgeseg.cli.images import read_images
from edgeseg.cli.options import status
from edgeseg.cli.tables import print_parity, print_precision
from edgeseg.engines.building.package import is_package, to_build
from edgeseg.engines.packed import PackedRequest
from edgeseg.errors import UsageError


def write_repository(
    model: Path,
    output: Path,
    asked: PackedRequest,
    *,
    threads: int | None,
    images: Path | None,
    ranges: Ranges,
) -> None:
    """Write a repository, and say what proves it; raises as `build_repository`."""
    from edgeseg.serving import build_repository

    with ExitStack() as stack:
        try:
            wanted = stack.enter_context(to_build(model, asked, threads))
        except UsageError as error:
            if asked.device is not None or not is_package(model):
                raise
            raise UsageError(
                f"{model} was packed for something else than a repository: {error}; name a --device of these"
            ) from error
        check_ranges(wanted.request.precision, ranges, wanted.choice)
        spec = wanted.model.spec
        with status(f"building {output} for Triton") as say:
            built = build_repository(
                wanted.model,
                output,
                name=re.sub(r"[^A-Za-z0-9_-]", "_", model.stem) or "model",
                request=wanted.request,
                images=None if images is None else read_images(images, spec.input),
                calibration=ranges.read(spec) or wanted.choice,
                on_step=say,
            )
    if built.precision is not None:
        print_precision(built.precision)
    print_parity(built.parity)
    click.echo(
        f"{output}: next, where Triton has edgeseg[media]: tritonserver --model-repository {output}; "
        f"clients call {built.name}"
    )
