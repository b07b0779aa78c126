"""`edgeseg fit-crf`: labelled images become the CRF's parameters, kept in the engine."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import click

from edgeseg.cli.label_maps import pairs_of, read_pair
from edgeseg.cli.options import DEVICES, MOST, PATH, progress, write_json
from edgeseg.cli.outputs import check_reports
from edgeseg.cores import usable_cores
from edgeseg.errors import UsageError

if TYPE_CHECKING:
    from edgeseg.runtime import Segmenter
    from edgeseg.runtime.crf.fit import Example

HELD_OUT_EVERY = 4


@click.command()
@click.argument("engine", type=PATH)
@click.option("--images", type=PATH, required=True, help="A folder of images.")
@click.option(
    "--labels",
    type=PATH,
    required=True,
    help="A folder of label maps: PNGs of the images' names, whose values are class ids.",
)
@click.option("--seed", type=click.IntRange(0, MOST), default=0, show_default=True, help="Of the search.")
@click.option("--device", type=click.Choice(DEVICES), help="Where; by default as it was built.")
@click.option("--json", "json_path", type=PATH, help="Write figures and parameters ('-': standard output).")
def command(
    *, engine: Path, images: Path, labels: Path, seed: int, device: str | None, json_path: Path | None
) -> None:
    """Find the CRF's parameters for ENGINE on labelled images, and keep them in it for `run --crf`.

    Widths, weights and iterations are searched for the best boundary F-score (2 pixels) at no loss of mIoU.
    Every fourth image is held out and decides: parameters that are worse there than the defaults, or than
    those the engine has, are not kept. A label of 255 is not counted; mIoU is that of PASCAL VOC and
    Cityscapes.
    """
    from edgeseg.manifest import replace_manifest
    from edgeseg.runtime import Segmenter
    from edgeseg.runtime.crf import fit as search
    from edgeseg.runtime.crf.refinement import DEFAULT

    check_reports({"--json": json_path}, engines=[engine], reads=(images, labels))
    pairs = pairs_of(images, labels)
    threads = usable_cores()
    examples = []
    with (
        Segmenter.open(engine, device=device, crf=True) as segmenter,
        progress("images", len(pairs)) as advance,
    ):
        if segmenter.spec.task != "semantic":
            raise UsageError(
                f"fit-crf fits labels to label maps; {engine} finds instances, whose parameters are given in "
                "Python: Segmenter.open(engine, crf=CRFSpec(...))"
            )
        for image, label in pairs:
            examples.append(_example(segmenter, image, label))
            advance()
        manifest = segmenter.manifest
    held_out = examples[::HELD_OUT_EVERY]
    fitted_on = [example for i, example in enumerate(examples) if i % HELD_OUT_EVERY]
    without = search.score(held_out, None)
    with progress("trials", 1 + search.COARSE + search.FINE) as advance:
        fitted = search.fit(fitted_on, DEFAULT, seed=seed, threads=threads, on_trial=advance)
    own = {} if manifest.spec.crf is None else {"own": manifest.spec.crf}
    candidates = {**own, "default": DEFAULT, "fitted": fitted}
    figures = {"without": without}
    for name, parameters in candidates.items():
        figures[name] = search.score(held_out, parameters, threads=threads)
    kept = max(candidates, key=lambda name: search.worth(figures[name], without.miou))
    chosen = candidates[kept]
    if kept != "own":
        spec = dataclasses.replace(manifest.spec, crf=chosen)
        replace_manifest(engine, dataclasses.replace(manifest, spec=spec))
    if json_path is not None:
        scores = {name: found._asdict() for name, found in figures.items()}
        write_json(json_path, {"held_out": scores, "kept": kept, "crf": dataclasses.asdict(chosen)})
    if str(json_path) == "-":
        return
    click.echo(f"{len(fitted_on)} images to fit, {len(held_out)} held out:")
    for name, found in figures.items():
        click.echo(f"{name:8} mIoU {100 * found.miou:6.2f}  boundary F {100 * found.boundary_f:6.2f}")
    described = ", ".join(f"{name} {value:g}" for name, value in dataclasses.asdict(chosen).items())
    click.echo(f"kept: {kept}: {described}")


def _example(segmenter: Segmenter, image: Path, label: Path) -> Example:
    """Read one pair, and run the network on the image."""
    import numpy as np

    from edgeseg.runtime.crf.fit import Example

    frame, truth = read_pair(image, label, len(segmenter.spec.class_names))
    prepared = segmenter.preprocess(frame)
    logits = np.ascontiguousarray(segmenter.infer(prepared)["logits"][0], np.float32)
    return Example(logits, prepared.placement, frame, truth)
