"""U-Nets of milesial/Pytorch-UNet and of tutorials, which no package has: written here as theirs are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import as_tensor, balance, labels_of, perturb
from benchmarks.family_rows.trained import TRAINED, train
from edgeseg.scenes.scene import generate
from tests.models.families.milesial.test_milesial import OTHERS, PERSSON, Tutorial

CLASSES = 2
SIZE_HW = (128, 128)
SEEDS = range(3)  # of scenes in which every class should win somewhere
ZERO, UNIT = (0.0,) * 3, (1.0,) * 3
WIDTHS = (64, 128, 256, 512, 1024)
PIXELS = partial(as_tensor, mean=ZERO, std=UNIT)  # scaled to 0..1 and nothing else


def _pair(c_in: int, c_out: int, c_mid: int | None = None) -> nn.Module:
    c_mid = c_mid or c_out
    layers = nn.Sequential(
        nn.Conv2d(c_in, c_mid, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_mid),
        nn.ReLU(),
        nn.Conv2d(c_mid, c_out, 3, padding=1, bias=False),
        nn.BatchNorm2d(c_out),
        nn.ReLU(),
    )
    return _named(double_conv=layers)


def _named(**modules: nn.Module) -> Any:
    holder = nn.Module()
    for name, module in modules.items():
        holder.add_module(name, module)
    return holder


class Milesial(nn.Module):
    """`UNet(3, 2)`, with up-convolutions or bilinear upsampling."""

    def __init__(self, *, bilinear: bool) -> None:
        super().__init__()
        factor = 2 if bilinear else 1
        self.bilinear = bilinear
        self.inc = _pair(3, WIDTHS[0])
        for i in range(4):
            c_out = WIDTHS[i + 1] // (factor if i == 3 else 1)
            self.add_module(
                f"down{i + 1}", _named(maxpool_conv=nn.Sequential(nn.MaxPool2d(2), _pair(WIDTHS[i], c_out)))
            )
            c_in = WIDTHS[4 - i]
            c_out = c_in // 2 // (factor if i < 3 else 1)
            pair = _pair(c_in, c_out, c_in // 2 if bilinear else None)
            up = {} if bilinear else {"up": nn.ConvTranspose2d(c_in, c_in // 2, 2, stride=2)}
            self.add_module(f"up{i + 1}", _named(**up, conv=pair))
        self.outc = _named(conv=nn.Conv2d(WIDTHS[0], CLASSES, 1))

    def forward(self, x: Tensor) -> Tensor:
        skips = [self.inc.double_conv(x)]
        for i in range(1, 5):
            pool, pair = getattr(self, f"down{i}").maxpool_conv
            skips.append(pair.double_conv(pool(skips[-1])))
        x = skips.pop()
        for i in range(1, 5):
            level = getattr(self, f"up{i}")
            if self.bilinear:
                x = nn.functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            else:
                x = level.up(x)
            x = level.conv.double_conv(torch.cat([skips.pop(), x], dim=1))
        logits: Tensor = self.outc.conv(x)
        return logits


def _write(folder: Path, *, make: Callable[[], nn.Module], trained: bool = False) -> Written:
    torch.manual_seed(0)
    network = make()
    if trained:
        train(network, CLASSES, SIZE_HW, PIXELS)
    else:
        perturb(network)
        with torch.inference_mode():
            logits = [network(PIXELS(generate(seed, SIZE_HW).image)) for seed in SEEDS]
        last = [layer for layer in network.modules() if isinstance(layer, nn.Conv2d)][-1]
        balance(last, logits)
    torch.save(network.state_dict(), folder / "checkpoint_epoch5.pth")

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return labels_of(network(PIXELS(frame)), SIZE_HW)

    return Written(folder / "checkpoint_epoch5.pth", eager)


def _tutorial(names: tuple[str, str, str, str], *, up_first: bool = False) -> nn.Module:
    return Tutorial(names, up_first=up_first, norm=True, bias=False)


CASES = (
    *(
        Case(
            family="milesial",
            architecture=title,
            written="state dict",
            write=partial(_write, make=partial(Milesial, bilinear=bilinear)),
            expected="milesial:UNet",
            size_hw=SIZE_HW,
        )
        for title, bilinear in (("UNet, up-convolutions", False), ("UNet, bilinear", True))
    ),
    Case(
        family="milesial",
        architecture="a tutorial's U-Net (downs, ups)",
        written="state dict" + TRAINED,
        write=partial(_write, make=partial(_tutorial, PERSSON), trained=True),
        expected="milesial:Plain",
        size_hw=SIZE_HW,
    ),
    Case(
        family="milesial",
        architecture="a U-Net under names of its own",
        written="state dict",
        write=partial(_write, make=partial(_tutorial, OTHERS, up_first=True)),
        expected="milesial:Plain",
        model="milesial:Plain?join=up_first",
        size_hw=SIZE_HW,
    ),
)
