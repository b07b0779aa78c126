"""Measure what the wrong resize filter costs: networks trained with one filter, run with each of them.

A small U-Net learns nuclei on pictures that Pillow, torchvision (`antialias`) or OpenCV has shrunk 2, 3, 4, 5
and 6 times. It is then run on whole pictures that it has not seen, at their own size, through the runtime's
own preprocessing and upsampling: the input is so many times smaller than the frame. Figures are mIoU over all
pixels of all frames, in percent; `*` marks the filter of the training.

    python -m benchmarks.resize_filters --data DIR [--minutes M] [--trained pil antialias linear]

DIR holds train/ and val/, each with images/ and labels/: PNGs of the same names, 0 in a label is background.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms import v2

from edgeseg.frames.preprocess import Preprocessor
from edgeseg.frames.upsample import upsampled_labels
from edgeseg.metrics.confusion import confusion_matrix, mean_iou
from edgeseg.models.unet import UNet
from edgeseg.spec import InputSpec, ResizeFilter

FILTERS: tuple[ResizeFilter, ...] = ("linear", "antialias", "area", "pil")
TRAINED: tuple[ResizeFilter, ...] = ("pil", "antialias", "linear")
RATIOS = (2, 3.3, 4, 6)  # frame to input
CROP, BATCH, LEARNING_RATE = 48, 16, 3e-3
WIDTH, DEPTH = 12, 3
SEED = 0


class Example(NamedTuple):
    """A picture (H, W, 3) BGR and what is a nucleus, (H, W) 0 or 1."""

    image: NDArray[np.uint8]
    truth: NDArray[np.uint8]


def read(folder: Path) -> list[Example]:
    """Read all pictures of a folder with their labels."""
    found = []
    for path in sorted((folder / "images").glob("*.png")):
        label = cv2.imread(str(folder / "labels" / path.name), cv2.IMREAD_UNCHANGED)
        found.append(Example(cv2.imread(str(path)), (label > 0).astype(np.uint8)))
    if not found:
        raise SystemExit(f"{folder}/images holds no .png")
    return found


def shrunk(example: Example, ratio: float, by: ResizeFilter) -> Example:
    """Shrink as a training script does, by the library itself."""
    height, width = (max(1, round(side / ratio)) for side in example.truth.shape)
    truth = cv2.resize(255 * example.truth, (width, height), interpolation=cv2.INTER_AREA) > 127
    if by == "pil":
        picture = Image.fromarray(example.image).resize((width, height), Image.Resampling.BILINEAR)
        image = np.asarray(picture)
    elif by == "antialias":
        tensor = torch.from_numpy(example.image).permute(2, 0, 1).contiguous()
        image = v2.Resize([height, width], antialias=True)(tensor).permute(1, 2, 0).numpy()
    else:
        interpolation = cv2.INTER_AREA if by == "area" else cv2.INTER_LINEAR
        image = cv2.resize(example.image, (width, height), interpolation=interpolation)
    return Example(image, truth.astype(np.uint8))


def train(examples: Sequence[Example], minutes: float) -> UNet:
    """Train on random crops, mirrored and turned; the learning rate falls as processor time passes."""
    torch.manual_seed(SEED)
    draw = np.random.default_rng(SEED)
    network = UNet(2, width=WIDTH, depth=DEPTH).train()
    optimiser = torch.optim.AdamW(network.parameters(), LEARNING_RATE)
    started, share, steps = time.process_time(), 0.0, 0
    while share < 1.0:
        chosen = [crop(examples[i], draw) for i in draw.integers(0, len(examples), BATCH)]
        images = torch.from_numpy(np.stack([example.image for example in chosen]))
        truth = torch.from_numpy(np.stack([example.truth for example in chosen])).long()
        loss = F.cross_entropy(network(normalised(images)), truth)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps += 1
        share = (time.process_time() - started) / (60 * minutes)
        for group in optimiser.param_groups:
            group["lr"] = LEARNING_RATE * max(1.0 - share, 0.01)
    print(f"  {steps} steps, last loss {loss.item():.3f}", flush=True)
    return network.eval()


def crop(example: Example, draw: np.random.Generator) -> Example:
    """Cut a square out, mirror and turn it."""
    height, width = example.truth.shape
    after = [(0, max(0, CROP - side)) for side in (height, width)]
    image = np.pad(example.image, [*after, (0, 0)], mode="symmetric")
    truth = np.pad(example.truth, after, mode="symmetric")
    top, left = (int(draw.integers(0, side - CROP + 1)) for side in truth.shape)
    window = np.s_[top : top + CROP, left : left + CROP]
    turns, mirrored = int(draw.integers(4)), int(draw.integers(2))
    image, truth = np.rot90(image[window], turns), np.rot90(truth[window], turns)
    return (
        Example(image[:, ::-1].copy(), truth[:, ::-1].copy())
        if mirrored
        else Example(image.copy(), truth.copy())
    )


def normalised(images: torch.Tensor) -> torch.Tensor:
    """Turn (N, H, W, 3) bytes into what the network takes."""
    return images.permute(0, 3, 1, 2).float() / 255


def score(network: UNet, examples: Sequence[Example], ratio: float, by: ResizeFilter) -> float:
    """Give the mIoU in percent on frames of their own size, resized by the runtime."""
    confusion = np.zeros((2, 3), np.int64)
    for image, truth in examples:
        height, width = (max(1, round(side / ratio)) for side in truth.shape)
        prepared = Preprocessor(InputSpec(height, width, resize_filter=by))(image)
        with torch.no_grad():
            logits = network(normalised(torch.from_numpy(prepared.image)))[0].numpy()
        labels = upsampled_labels(np.ascontiguousarray(logits), prepared.placement)
        confusion += confusion_matrix(truth, labels, 2)
    return 100 * mean_iou(confusion)


def main() -> None:
    """Train and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=3.2, help="of a processor, to train each network")
    parser.add_argument("--trained", nargs="+", choices=FILTERS, default=list(TRAINED))
    arguments = parser.parse_args()
    learnt, unseen = read(arguments.data / "train"), read(arguments.data / "val")
    print(f"{len(learnt)} pictures to learn, {len(unseen)} unseen; U-Net of width {WIDTH}, depth {DEPTH}")
    for trained in arguments.trained:
        print(f"trained with {trained}, {arguments.minutes:g} minutes", flush=True)
        network = train(
            [shrunk(e, ratio, trained) for e in learnt for ratio in (2, 3, 4, 5, 6)], arguments.minutes
        )
        print("  ratio " + "".join(f"{by + ('*' if by == trained else ''):>12}" for by in FILTERS))
        for ratio in RATIOS:
            figures = [score(network, unseen, ratio, by) for by in FILTERS]
            print(f"  {ratio:5g} " + "".join(f"{figure:12.2f}" for figure in figures), flush=True)


if __name__ == "__main__":
    main()
