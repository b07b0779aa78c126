"""`edgeseg verify`: an engine or a portable model computes what PyTorch computed, or the exit status is 1."""

from __future__ import annotations

from pathlib import Path

import click

from edgeseg.cli.images import read_images
from edgeseg.cli.options import PATH, status
from edgeseg.cli.tables import print_parity
from edgeseg.errors import UsageError


@click.command()
@click.argument("artifact", type=PATH)
@click.option("--reference", type=PATH, help="The portable model, to be run beside an engine on --images.")
@click.option("--images", type=PATH, help="A folder of images, or one image.")
def command(*, artifact: Path, reference: Path | None, images: Path | None) -> None:
    """Prove ARTIFACT again, an engine or an .onnx of edgeseg's.

    Both carry what PyTorch computed for generated images when the model was exported. With --reference an
    engine is compared with its portable model too, on --images or on generated ones.
    """
    from edgeseg.engines import verify
    from edgeseg.manifest import read_manifest

    frames = None
    if not artifact.is_dir():
        if reference is not None or images is not None:
            raise UsageError(
                "--reference and --images are for engines; an .onnx is proven by what it carries"
            )
    elif images is not None:
        if reference is None:
            raise UsageError("--images needs --reference model.onnx, the model that they are compared with")
        frames = read_images(images, read_manifest(artifact).spec.input)
    with status(f"verifying {artifact}"):
        report = verify(artifact, reference=reference, images=frames)
    print_parity(report)
    report.raise_if_failed(str(artifact))
