"""U-Net: turn an image into one score per class and pixel, through a contracting and an expanding path.

Ronneberger, Fischer, Brox, "U-Net: Convolutional Networks for Biomedical Image Segmentation", 2015.

    image ─ inc ────────────── skip ──────────────▶ up4 ─ outc ─ logits
              down1 ─────────── skip ──────────▶ up3
                 down2 ───────── skip ───────▶ up2
                    down3 ─────── skip ────▶ up1
                       down4 ────────────────╯

Every `down` halves the map and doubles its channels, so that the bottom knows *what* is there; every `up`
doubles the map and joins it with the `skip` of the same size, which knows *where*. State-dict names are those
of milesial/Pytorch-UNet.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edgeseg.errors import ShapeError
from edgeseg.models.backbone import initialise_convolutions

WIDTH = 64  # channels at full resolution, in the paper
DEPTH = 4  # number of halvings, in the paper
UNPADDED_LOSS = 4  # pixels a side length loses in two unpadded 3x3 convolutions

Upsampling = Literal["transpose", "bilinear"]
Border = Literal["zero", "mirror", "crop"]


class DoubleConv(nn.Module):
    """Two 3x3 convolutions, each followed by batch normalisation (optional) and ReLU."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        mid_channels: int | None = None,
        padding: int = 1,
        batch_norm: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        mid_channels = mid_channels or out_channels
        for c_in, c_out in ((in_channels, mid_channels), (mid_channels, out_channels)):
            layers.append(nn.Conv2d(c_in, c_out, 3, padding=padding, bias=bias))
            if batch_norm:
                layers.append(nn.BatchNorm2d(c_out))
            layers.append(nn.ReLU(inplace=True))
        self.double_conv = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into (N, out_channels, h, w), each side 4 less without padding."""
        y: Tensor = self.double_conv(x)
        return y


class Down(nn.Module):
    """Halve the map by 2x2 max-pooling, then convolve twice."""

    def __init__(self, convolve: DoubleConv) -> None:
        super().__init__()
        self.maxpool_conv = nn.Sequential(nn.MaxPool2d(2), convolve)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, C, h, w) into (N, C', h // 2, w // 2), where C and C' are those of the convolutions."""
        y: Tensor = self.maxpool_conv(x)
        return y


class Up(nn.Module):
    """Double the map, join it with the skip connection, then convolve twice.

    Args:
        in_channels: of the joined map, half of them from the skip connection.
        upsampling: a 2x2 up-convolution, which halves the channels, or bilinear interpolation (corners
            aligned), which leaves that to the convolutions.
        convolve: from `in_channels` to the level's own.
    """

    def __init__(self, in_channels: int, upsampling: Upsampling, convolve: DoubleConv) -> None:
        super().__init__()
        self.up: nn.Module = (
            nn.ConvTranspose2d(in_channels, in_channels // 2, 2, stride=2)
            if upsampling == "transpose"
            else nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
        )
        self.conv = convolve

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Join (N, C, h, w) with `skip` (N, C', h', w').

        Unpadded convolutions leave the skip larger than 2h x 2w: its border is cropped, as in the paper.
        Padded ones leave it larger by a pixel where a side was odd: the doubled map is padded with a zero.
        """
        x = self.up(x)
        missing_h, missing_w = skip.shape[-2] - x.shape[-2], skip.shape[-1] - x.shape[-1]
        top, left = missing_h // 2, missing_w // 2
        if self.conv.double_conv[0].padding == (0, 0):
            skip = skip[..., top : top + x.shape[-2], left : left + x.shape[-1]]
        elif missing_h or missing_w:
            x = F.pad(x, (left, missing_w - left, top, missing_h - top))
        y: Tensor = self.conv(torch.cat([skip, x], dim=1))
        return y


class OutConv(nn.Module):
    """Score the classes of every pixel by a 1x1 convolution."""

    def __init__(self, in_channels: int, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Turn (N, in_channels, h, w) into logits (N, num_classes, h, w)."""
        y: Tensor = self.conv(x)
        return y


class UNet(nn.Module):
    """The whole network; by default as milesial/Pytorch-UNet has it.

    The paper's own is `UNet(classes, in_channels=1, border="crop", batch_norm=False, bias=True)`.

    Args:
        num_classes: channels of the logits; 1 for a single foreground class by sigmoid.
        in_channels: of the image.
        width: channels at full resolution; level i works at `width * 2**i`.
        depth: number of halvings.
        upsampling: `transpose` (2x2 up-convolution) or `bilinear`, which also halves the bottom's channels.
        border: `zero` pads every convolution, logits are (H, W); `crop` pads none (the paper), logits are
            smaller than the image by the same margin on each side; `mirror` pads none either, but extends the
            image by its reflection first (the paper's overlap-tile strategy), so that logits are (H, W).
        batch_norm: normalise after each convolution; the paper does not.
        bias: of the convolutions that a ReLU or a normalisation follows; milesial's before 2022 have it.
    """

    def __init__(
        self,
        num_classes: int,
        *,
        in_channels: int = 3,
        width: int = WIDTH,
        depth: int = DEPTH,
        upsampling: Upsampling = "transpose",
        border: Border = "zero",
        batch_norm: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.depth = depth
        self.border = border

        def convolve(c_in: int, c_out: int, c_mid: int | None = None) -> DoubleConv:
            padding = 1 if border == "zero" else 0
            return DoubleConv(
                c_in, c_out, mid_channels=c_mid, padding=padding, batch_norm=batch_norm, bias=bias
            )

        self.inc = convolve(in_channels, width)
        # Interpolation keeps the channels, so each level hands up only half of them.
        shrink = 2 if upsampling == "bilinear" else 1
        for level in range(1, depth + 1):
            channels = width << level
            is_bottom = level == depth
            down = convolve(channels // 2, channels // shrink if is_bottom else channels)
            self.add_module(f"down{level}", Down(down))
        for level in range(depth, 0, -1):
            joined = width << level
            is_top = level == 1
            out_channels = joined // 2 if is_top else joined // 2 // shrink
            mid_channels = joined // 2 if upsampling == "bilinear" else None
            up = Up(joined, upsampling, convolve(joined, out_channels, mid_channels))
            self.add_module(f"up{depth + 1 - level}", up)
        self.outc = OutConv(width, num_classes)
        initialise_convolutions(self)

    def forward(self, image: Tensor) -> Tensor:
        """Score every pixel.

        Args:
            image: (N, in_channels, H, W), normalised.

        Returns:
            (N, num_classes, H, W) logits, or (N, num_classes, H - 2m, W - 2m) with `border="crop"`
            (m = 92 in the paper).

        Raises:
            ShapeError: if H or W is too small, or, with `border="crop"`, leaves an odd map to halve.
        """
        height, width = image.shape[-2:]
        if self.border == "zero":
            if min(height, width) < 2**self.depth:
                raise ShapeError(f"U-Net needs at least {2**self.depth} pixels a side, got {height}x{width}")
            return self._score(image)
        if self.border == "crop":
            self._check_unpadded_size(height, width)
            return self._score(image)
        return self._score(self._mirror(image))[..., :height, :width]

    def _score(self, image: Tensor) -> Tensor:
        x = self.inc(image)
        skips: list[Tensor] = []
        for level in range(1, self.depth + 1):
            skips.append(x)
            x = self.get_submodule(f"down{level}")(x)
        for step in range(1, self.depth + 1):
            x = self.get_submodule(f"up{step}")(x, skips.pop())
        logits: Tensor = self.outc(x)
        return logits

    def _mirror(self, image: Tensor) -> Tensor:
        """Reflect the image at its borders, as far as the unpadded convolutions will eat."""
        height, width = image.shape[-2:]
        margin = _eaten(self.depth) // 2
        bottom, right = (unpadded_sizes(side, self.depth)[0] - margin - side for side in (height, width))
        if bottom >= height or right >= width:
            raise ShapeError(
                f"the mirrored border is {max(bottom, right)} pixels wide; an image of {height}x{width} "
                "does not hold that much, use a larger one"
            )
        return F.pad(image, (margin, right, margin, bottom), mode="reflect")

    def _check_unpadded_size(self, height: int, width: int) -> None:
        for side in (height, width):
            nearest, _ = unpadded_sizes(max(side - _eaten(self.depth), 1), self.depth)
            if side != nearest:
                raise ShapeError(
                    f"unpadded U-Net of depth {self.depth} cannot take {height}x{width}: a side of {side} "
                    f'leaves an odd map to halve; the next that fits is {nearest} (or use border="mirror")'
                )


def unpadded_sizes(wanted: int, depth: int = DEPTH) -> tuple[int, int]:
    """Find the smallest side that an unpadded U-Net turns into at least `wanted` pixels.

    Returns:
        (input side, output side); 388 wanted at depth 4 are (572, 388), figure 1 of the paper.
    """
    side = wanted
    for _ in range(depth):
        side = -(-(side + UNPADDED_LOSS) // 2)  # rounded up: up-convolutions give even maps only
    bottom = side + UNPADDED_LOSS
    taken, given = bottom, side
    for _ in range(depth):
        taken = 2 * taken + UNPADDED_LOSS
        given = 2 * given - UNPADDED_LOSS
    return taken, given


def _eaten(depth: int) -> int:
    """Count the pixels a side loses in all; the same at every size that fits."""
    taken, given = unpadded_sizes(1, depth)
    return taken - given


def read_parameters(weights: Mapping[str, Tensor]) -> dict[str, int | bool | str]:
    """Read from a U-Net's state dict the parameters of `UNet` that it was made with.

    The border leaves no trace in the weights, so it is not among them.

    Raises:
        KeyError: if these are not a U-Net's weights.
    """
    first = weights["inc.double_conv.0.weight"]
    return {
        "num_classes": weights["outc.conv.weight"].shape[0],
        "in_channels": first.shape[1],
        "width": first.shape[0],
        "depth": len({key.split(".")[0] for key in weights if re.match(r"down\d+\.", key)}),
        "upsampling": "transpose" if "up1.up.weight" in weights else "bilinear",
        "batch_norm": "inc.double_conv.1.running_mean" in weights,
        "bias": "inc.double_conv.0.bias" in weights,
    }


def is_unet(weights: Mapping[str, Tensor]) -> bool:
    """Tell whether a state dict has a U-Net's first and last layer."""
    names = ("inc.double_conv.0.weight", "outc.conv.weight")
    return all(name in weights and weights[name].ndim == len("OIHW") for name in names)
