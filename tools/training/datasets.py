"""Turn scenes into endless shuffled, augmented batches of tensors for training."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from edgeseg.models.network import IMAGENET_MEAN_RGB, IMAGENET_STD_RGB
from edgeseg.scenes.scene import Scene, generate

TRAINING_SIZE_HW = (160, 224)  # smaller than a full frame; the objects are as large in pixels
TRAINING_CROWDING = 2.5  # more to learn from in each image
FIRST_TRAINING_SEED = 1_000_000  # seeds below are for evaluation

GAIN = (0.9, 1.1)  # per colour channel
OFFSET = (-20.0, 20.0)  # grey levels


def training_scenes(count: int) -> list[Scene]:
    """Make the scenes that the checkpoints are trained on."""
    return [
        generate(FIRST_TRAINING_SEED + i, TRAINING_SIZE_HW, crowding=TRAINING_CROWDING) for i in range(count)
    ]


def semantic_batches(scenes: Sequence[Scene], size: int, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Draw (images, labels): (N, 3, H, W) float32 normalised RGB, and (N, H, W) int64."""
    mean = torch.tensor(IMAGENET_MEAN_RGB)[:, None, None]
    std = torch.tensor(IMAGENET_STD_RGB)[:, None, None]
    for batch in _drawn(scenes, size, seed):
        images = torch.stack([image for image, _ in batch])
        labels = np.stack([_labels(scene) for _, scene in batch])
        yield (images - mean) / std, torch.from_numpy(labels)


def instance_batches(
    scenes: Sequence[Scene], size: int, seed: int
) -> Iterator[tuple[list[Tensor], list[dict[str, Tensor]], Tensor]]:
    """Draw (images, targets, labels) as torchvision's detectors take them, and the label maps.

    Images are (3, H, W) float32 RGB in 0..1 (the detector normalises); targets hold `boxes`, `labels` and
    `masks` of the objects that are not ignored; labels are (N, H, W) int64.
    """
    for batch in _drawn(scenes, size, seed):
        labels = np.stack([_labels(scene) for _, scene in batch])
        yield [image for image, _ in batch], [_target(scene) for _, scene in batch], torch.from_numpy(labels)


def image_tensor(image_bgr: NDArray[np.uint8]) -> Tensor:
    """Turn (H, W, 3) uint8 BGR into (3, H, W) float32 RGB in 0..1."""
    rgb = np.ascontiguousarray(image_bgr[:, :, ::-1].transpose(2, 0, 1))
    return torch.from_numpy(rgb).float() / 255.0


def _drawn(scenes: Sequence[Scene], size: int, seed: int) -> Iterator[list[tuple[Tensor, Scene]]]:
    """Draw batches for ever: every scene once in each round, half of them mirrored, in changed colours."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(scenes))
        for start in range(0, len(order) - size + 1, size):
            batch = [scenes[i] for i in order[start : start + size]]
            batch = [_mirrored(scene) if rng.integers(2) else scene for scene in batch]
            yield [(_recoloured(image_tensor(scene.image), rng), scene) for scene in batch]


def _recoloured(image: Tensor, rng: np.random.Generator) -> Tensor:
    gain = torch.from_numpy(rng.uniform(*GAIN, (3, 1, 1)).astype(np.float32))
    offset = rng.uniform(*OFFSET) / 255.0
    return (image * gain + offset).clamp(0.0, 1.0)


def _mirrored(scene: Scene) -> Scene:
    boxes = scene.boxes.copy()
    boxes[:, [0, 2]] = scene.labels.shape[1] - scene.boxes[:, [2, 0]]
    return Scene(
        scene.image[:, ::-1],
        scene.labels[:, ::-1],
        scene.instances[:, ::-1],
        boxes,
        scene.class_ids,
        scene.ignored,
        scene.identities,
    )


def _labels(scene: Scene) -> NDArray[np.int64]:
    return scene.labels.astype(np.int64)


def _target(scene: Scene) -> dict[str, Tensor]:
    counted = ~scene.ignored
    return {
        "boxes": torch.from_numpy(scene.boxes[counted]),
        "labels": torch.from_numpy(scene.class_ids[counted]),
        "masks": torch.from_numpy(scene.masks[counted].astype(np.uint8)),
    }
