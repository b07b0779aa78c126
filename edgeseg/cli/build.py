"""`edgeseg build`: a portable model becomes an engine for this machine, proven, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from edgeseg.cli.images import read_images
from edgeseg.cli.options import PATH, THREADS, status
from edgeseg.cli.tables import print_parity
from edgeseg.cli.tensorrt_options import tensorrt_flags
from edgeseg.errors import UsageError
from edgeseg.spec import BackendName, Precision

BACKENDS = ("onnxruntime", "tensorrt", "tensorrt_rtx")


@click.command()
@click.argument("model", type=PATH)
@click.option("--backend", type=click.Choice(BACKENDS), default="onnxruntime", show_default=True)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default="fp32",
    show_default=True,
    help="This version builds fp32.",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda", "tensorrt"]),
    help="The execution provider of ONNX Runtime, cpu by default; TensorRT's engines are for cuda.",
)
@click.option("--threads", type=THREADS, help="Threads per inference; measured by default.")
@click.option("--images", type=PATH, help="Images to prove and measure on, besides generated ones.")
@tensorrt_flags
@click.option("-o", "--output", type=PATH, required=True, metavar="ENGINE", help="The folder to write.")
def command(
    *,
    model: Path,
    backend: BackendName,
    precision: Precision,
    device: str | None,
    threads: int | None,
    images: Path | None,
    output: Path,
    **tensorrt: Any,
) -> None:
    """Turn the portable MODEL into an engine for this machine.

    Session options are chosen by measuring a few of them here. The engine is written only after it has
    computed what PyTorch computed.
    """
    from edgeseg.export.engines import Request, TensorRTOptions
    from edgeseg.export.engines.build import build
    from edgeseg.export.portable import read_spec
    from edgeseg.runtime.backends import open_backend

    if precision != "fp32":
        raise UsageError(f"{backend} engines in {precision} come with a later version; use --precision fp32")
    frames = None if images is None else read_images(images, read_spec(model).input)
    with status(f"building {output} from {model}"):
        request = Request(backend, precision, device, threads, TensorRTOptions(**tensorrt))
        built = build(model, output, open_engine=open_backend, request=request, images=frames)
    for entry in built.measured:
        options = entry.options
        click.echo(
            f"{options['intra_op_threads']} threads, {options['execution_mode']}: "
            f"{entry.median_ms:.1f} ms (median of {entry.samples})"
        )
    print_parity(built.parity)
    batch = built.manifest.spec.input.batch
    if batch > 1:
        click.echo(f"{output}: takes {batch} images at once, for your own program; run wants 1")
    else:
        click.echo(f"{output}: next: edgeseg run {output} SOURCE -o result.mp4")
