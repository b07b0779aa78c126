"""What each of the demo's networks is made from: how it is built, trained, and measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from safetensors.torch import load_file
from torch import nn

from edgeseg.models import zoo
from edgeseg.scenes.scene import CLASS_NAMES, Scene
from tools.training.fitting import Schedule
from tools.training.instance_network import trainable_mask_rcnn
from tools.training.measure import instance_accuracy, semantic_accuracy
from tools.training.narrowing import narrow_deeplab, narrow_mask_rcnn, shorten_unet
from tools.training.train_instance import train_mask_rcnn
from tools.training.train_semantic import train_semantic


class Train(Protocol):
    """Give a network its weights; see `train_semantic` and `train_mask_rcnn`."""

    def __call__(
        self,
        network: Any,
        scenes: Sequence[Scene],
        schedule: Schedule,
        seed: int,
        on_step: Callable[[int, float], None],
        *,
        teacher: Any = None,
    ) -> nn.Module: ...


@dataclass(frozen=True)
class Training:
    """How a network of the demo is made.

    Attributes:
        schedule: how long to train, at most.
        build: makes it, untrained, with parameters in place of its own.
        wide: parameters of the network that it is cut from, and that teaches it.
        narrow: gives it the weights of that one, as far as they fit.
        train: gives it its weights.
        measure: of the trained network, on unseen scenes.
        donor: prefix of a trained Mask R-CNN's weights that a wide network starts from, and of its own.
    """

    schedule: Schedule
    build: Callable[..., nn.Module]
    wide: dict[str, Any]
    narrow: Callable[[Any, Any], None]
    train: Train
    measure: Callable[[Any, Sequence[Scene]], dict[str, float]]
    donor: tuple[str, str] | None = None


def _demo(name: str) -> Callable[..., nn.Module]:
    return lambda **parameters: zoo.create(name, num_classes=len(CLASS_NAMES), **parameters).module


TRAININGS = {
    "unet": Training(
        Schedule(steps=2500, minutes=60.0, batch=8, peak_rate=2e-3),
        _demo("demo_unet"),
        {"depth": 4},
        shorten_unet,
        train_semantic,
        semantic_accuracy,
    ),
    "maskrcnn": Training(
        Schedule(steps=2500, minutes=60.0, batch=8, peak_rate=2e-3),
        lambda **parameters: trainable_mask_rcnn(len(CLASS_NAMES), **parameters),
        {"widest": None, "representation_size": 256},
        narrow_mask_rcnn,
        train_mask_rcnn,
        instance_accuracy,
    ),
    "deeplab": Training(
        Schedule(steps=1700, minutes=60.0, batch=8, peak_rate=2e-3),
        _demo("demo_deeplab"),
        {"widest": None},
        narrow_deeplab,
        train_semantic,
        semantic_accuracy,
        donor=("backbone.body.", "backbone."),
    ),
}


def start(training: Training, folder: Path, *, wide: bool) -> nn.Module:
    """Build a network, with the backbone of the Mask R-CNN in the folder where there is one that fits.

    Args:
        folder: of the checkpoints.
        wide: the one that the demo's is cut from.
    """
    network = training.build(**(training.wide if wide else {}))
    path = folder / "maskrcnn.safetensors"
    if training.donor is None or not path.exists():
        return network
    theirs, own = training.donor
    state = network.state_dict()
    for key, weight in load_file(path).items():
        name = own + key.removeprefix(theirs)
        if key.startswith(theirs) and name in state and state[name].shape == weight.shape:
            state[name].copy_(weight)
    return network


def taught(training: Training, checkpoint: Path) -> tuple[nn.Module, nn.Module]:
    """Build a network out of a trained wide one, and give both: the network and its teacher.

    Args:
        checkpoint: of the wide one.
    """
    teacher = training.build(**training.wide)
    teacher.load_state_dict({key: w.float() for key, w in load_file(checkpoint).items()}, strict=True)
    network = training.build()
    training.narrow(network, teacher)
    return network, teacher.eval().requires_grad_(False)
