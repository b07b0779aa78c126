"""`edgeseg build`: a portable model becomes an engine for this machine, proven, or nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

import click

from edgeseg.cli.images import read_images
from edgeseg.cli.options import DEVICES, PATH, THREADS, status
from edgeseg.cli.tables import left_over_lines, measured_lines, print_parity
from edgeseg.errors import UsageError
from edgeseg.spec import BackendName, Precision

BACKENDS = ("onnxruntime", "openvino", "auto")


@click.command()
@click.argument("model", type=PATH)
@click.option(
    "--backend",
    type=click.Choice(BACKENDS),
    default="onnxruntime",
    show_default=True,
    help="auto takes the faster of those for this processor.",
)
@click.option(
    "--precision",
    type=click.Choice(get_args(Precision)),
    default="fp32",
    show_default=True,
    help="This version builds fp32.",
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
    default="latency",
    show_default=True,
    help="OpenVINO: one inference fast, or several side by side.",
)
@click.option(
    "--computes-in",
    type=click.Choice(["f32", "f16", "bf16"]),
    help="OpenVINO: float layers of fp16 and int8 engines; in fp16 by default the processor's own half.",
)
@click.option("--images", type=PATH, help="Images to prove and measure on, besides generated ones.")
@click.option("-o", "--output", type=PATH, required=True, metavar="ENGINE", help="The folder to write.")
def command(
    *,
    model: Path,
    backend: BackendName | Literal["auto"],
    precision: Precision,
    device: str | None,
    threads: int | None,
    hint: Literal["latency", "throughput"],
    computes_in: Literal["f32", "f16", "bf16"] | None,
    images: Path | None,
    output: Path,
) -> None:
    """Turn the portable MODEL into an engine for this machine.

    Options such as the number of threads are chosen by measuring a few of them here. The engine is written
    only after it has computed what PyTorch computed.
    """
    from edgeseg.export.engines import OpenVINOOptions, Request
    from edgeseg.export.engines.build import build
    from edgeseg.export.portable import read_spec
    from edgeseg.runtime.backends import open_backend

    if precision != "fp32":
        raise UsageError(f"{backend} engines in {precision} come with a later version; use --precision fp32")
    frames = None if images is None else read_images(images, read_spec(model).input)
    with status(f"building {output} from {model}"):
        request = Request(backend, precision, device, threads, OpenVINOOptions(hint, computes_in))
        built = build(model, output, open_engine=open_backend, request=request, images=frames)
    for line in (*measured_lines(built.measured), *left_over_lines(built.manifest.options)):
        click.echo(line)
    print_parity(built.parity)
    batch = built.manifest.spec.input.batch
    if batch > 1:
        click.echo(f"{output}: takes {batch} images at once, for your own program; run wants 1")
    else:
        click.echo(f"{output}: next: edgeseg run {output} SOURCE -o result.mp4")
