"""Turn synthetic scenes into the demo's checkpoints: `python -m tools.training [NETWORK]`.

NETWORK is `unet`, `maskrcnn`, `deeplab` or `all`. The shipped networks were cut from wider ones, which taught
them:

    python -m tools.training --wide -o wide/
    python -m tools.training --teachers wide/

Without `--teachers` a network is trained from random weights. DeepLab starts from what fits of the backbone
of the Mask R-CNN in the same folder, where there is one. Needs the extras `export` and `dev` (Mask R-CNN's
losses are torchvision's). The weights are rounded to half precision, measured as such on unseen scenes, and
written with what was measured in the file's metadata.

The shipped files were trained in several runs, as `steps` in their metadata tells; a run of this module is
one run, and gives other weights.
"""

from __future__ import annotations

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path

import cv2
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from edgeseg.files import staged_file
from edgeseg.scenes.scene import CLASS_NAMES, Scene, generate
from tools.training.datasets import training_scenes
from tools.training.fitting import Schedule
from tools.training.trainings import TRAININGS, start, taught

CHECKPOINTS = Path(__file__).parents[2] / "edgeseg" / "demo" / "checkpoints"
SEED = 0
TRAINING_SCENES = 3000
UNSEEN_SCENES = 200  # seeds 0, 1, ..: below every training seed
REPORT_EVERY = 50  # steps


def main(arguments: list[str] | None = None) -> None:
    """Train what the command line asks for."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.training", description="Train the demo's checkpoints."
    )
    parser.add_argument("network", nargs="?", default="all", choices=[*TRAININGS, "all"])
    parser.add_argument("--minutes", type=float, help="stop each training after so long")
    parser.add_argument("--steps", type=int, help="optimiser steps of each training")
    parser.add_argument("--scenes", type=int, default=TRAINING_SCENES, help="scenes to train on")
    parser.add_argument("--unseen", type=int, default=UNSEEN_SCENES, help="scenes to measure on")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of PyTorch")
    parser.add_argument("--wide", action="store_true", help="train the networks that the demo's are cut from")
    parser.add_argument("--teachers", type=Path, help="folder of wide checkpoints to start and to learn from")
    parser.add_argument("-o", "--output", type=Path, default=CHECKPOINTS, help="folder of the checkpoints")
    options = parser.parse_args(arguments)
    if options.wide and (options.teachers or options.output == CHECKPOINTS):
        parser.error("--wide takes no --teachers, and needs a folder of its own: --output FOLDER")
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    names = list(TRAININGS) if options.network == "all" else [options.network]
    print(f"making {options.scenes} scenes to train on", flush=True)
    scenes = training_scenes(options.scenes)
    unseen = [generate(seed) for seed in range(options.unseen)]
    options.output.mkdir(parents=True, exist_ok=True)
    for name in names:
        changes = {"steps": options.steps, "minutes": options.minutes}
        schedule = replace(
            TRAININGS[name].schedule, **{key: value for key, value in changes.items() if value is not None}
        )
        path = options.output / f"{name}.safetensors"
        teacher = None if options.teachers is None else options.teachers / path.name
        make_checkpoint(name, schedule, scenes, unseen, path, wide=options.wide, teacher=teacher)


def make_checkpoint(
    name: str,
    schedule: Schedule,
    scenes: list[Scene],
    unseen: list[Scene],
    path: Path,
    *,
    wide: bool = False,
    teacher: Path | None = None,
) -> dict[str, float]:
    """Train one network, measure it, and write its checkpoint.

    Args:
        wide: make the network that the demo's is cut from.
        teacher: checkpoint of the wide network; None trains from random weights.

    Returns:
        The accuracy of the written weights on the unseen scenes.
    """
    training = TRAININGS[name]
    torch.manual_seed(SEED)
    teaching = None
    if teacher is None:
        network = start(training, path.parent, wide=wide)
    else:
        network, teaching = taught(training, teacher)
    progress = _Progress(name, schedule)
    network = training.train(network, scenes, schedule, SEED, progress, teacher=teaching)
    return write_checkpoint(name, network, unseen, path, steps=progress.steps)


def write_checkpoint(
    name: str, network: nn.Module, unseen: list[Scene], path: Path, *, steps: int
) -> dict[str, float]:
    """Round the weights to half precision, measure them, and write them with what was measured."""
    weights = half_precision(network.state_dict())
    network.load_state_dict(weights)
    accuracy = TRAININGS[name].measure(network, unseen)
    metadata = {
        "class_names": json.dumps(CLASS_NAMES),
        "seed": str(SEED),
        "steps": str(steps),
        "accuracy": json.dumps({key: round(value, 4) for key, value in accuracy.items()}),
    }
    with staged_file(path) as staged:
        save_file(weights, staged, metadata)
    figures = ", ".join(f"{key} {value:.3f}" for key, value in accuracy.items())
    print(f"{name}: {figures}; {path}, {path.stat().st_size / 1e6:.1f} MB", flush=True)
    return accuracy


def half_precision(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Round floating-point weights to float16.

    Raises:
        OverflowError: if a weight does not fit.
    """
    halves = {key: w.half() if w.is_floating_point() else w for key, w in weights.items()}
    for key, weight in halves.items():
        if not torch.isfinite(weight).all():
            raise OverflowError(
                f"{key} holds values beyond float16's 65504; this training diverged, change the seed"
            )
    return {key: weight.contiguous() for key, weight in halves.items()}


class _Progress:
    """Print the mean loss and the time now and then."""

    def __init__(self, name: str, schedule: Schedule) -> None:
        self.name, self.schedule = name, schedule
        self.started = time.monotonic()
        self.steps = 0
        self.losses: list[float] = []

    def __call__(self, step: int, loss: float) -> None:
        self.steps = step
        self.losses.append(loss)
        if step % REPORT_EVERY == 0 or step == self.schedule.steps:
            minutes = (time.monotonic() - self.started) / 60.0
            mean = sum(self.losses) / len(self.losses)
            print(
                f"{self.name}: step {step} of {self.schedule.steps}, loss {mean:.3f}, {minutes:.1f} min",
                flush=True,
            )
            self.losses.clear()


if __name__ == "__main__":
    main()
