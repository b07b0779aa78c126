"""Networks that int8 is hard on: parallel dilations, depthwise convolutions, two U-Nets in a row.

Their weights are random; batch norm's statistics and affine parts are drawn at random, too, so that channels
differ in range as trained ones do.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

DILATIONS = (1, 2, 4, 8, 16)
STATISTICS = {
    "weight": (0.5, 2.0),
    "running_var": (0.5, 2.0),
    "bias": (-0.3, 0.3),
    "running_mean": (-0.3, 0.3),
}


def drawn(network: nn.Module, seed: int = 0) -> nn.Module:
    """Draw all weights from a seed, and put the network into evaluation mode."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                for name, (low, high) in STATISTICS.items():
                    getattr(module, name).uniform_(low, high, generator=generator)
            elif isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                fan_in = module.weight[0].numel()
                module.weight.normal_(0.0, (2.0 / fan_in) ** 0.5, generator=generator)
            elif isinstance(module, nn.PReLU):
                module.weight.uniform_(-0.2, 0.5, generator=generator)
    return network.eval()


def convolution(inside: int, outside: int, side: int, act: nn.Module | None, **options: int) -> nn.Sequential:
    """Convolve, normalise and activate, at the same size but for a stride."""
    padding = options.get("dilation", 1) * (side // 2)
    layers: list[nn.Module] = [
        nn.Conv2d(inside, outside, side, padding=padding, bias=False, **options),
        nn.BatchNorm2d(outside),
    ]
    return nn.Sequential(*layers, *([] if act is None else [act]))


class Pyramid(nn.Module):
    """Reduce by 1x1, convolve with five dilations side by side, and sum them hierarchically.

    S. Mehta et al., ESPNet, ECCV 2018: sums of ever more branches (HFF) are concatenated, normalised and
    activated by PReLU; with a stride, the reduction is the strided convolution.
    """

    def __init__(self, inside: int, outside: int, stride: int = 1) -> None:
        super().__init__()
        width = outside // len(DILATIONS)
        widest = outside - (len(DILATIONS) - 1) * width
        self.reduce = nn.Conv2d(inside, width, 1, stride=stride, bias=False)
        self.branches = nn.ModuleList(
            nn.Conv2d(width, widest if d == 1 else width, 3, padding=d, dilation=d, bias=False)
            for d in DILATIONS
        )
        self.norm = nn.BatchNorm2d(outside)
        self.act = nn.PReLU(outside)
        self.residual = stride == 1 and inside == outside

    def forward(self, features: Tensor) -> Tensor:
        reduced = self.reduce(features)
        first, *rest = (branch(reduced) for branch in self.branches)
        sums = [rest[0]]
        for branch in rest[1:]:
            sums.append(sums[-1] + branch)
        joined = torch.cat([first, *sums], dim=1)
        return self.act(self.norm(joined + features if self.residual else joined))


class ESPNetLike(nn.Module):
    """Pyramids at 1/4 and 1/8 of the size, and a decoder of transposed convolutions."""

    def __init__(self, classes: int = 3, width: int = 16, deep: int = 2) -> None:
        super().__init__()
        self.stem = convolution(3, width, 3, nn.PReLU(width), stride=2)
        self.down2 = Pyramid(width + 3, 4 * width, stride=2)
        self.level2 = nn.Sequential(*(Pyramid(4 * width, 4 * width) for _ in range(deep)))
        self.mix2 = nn.Sequential(nn.BatchNorm2d(8 * width), nn.PReLU(8 * width))
        self.down3 = Pyramid(8 * width, 8 * width, stride=2)
        self.level3 = nn.Sequential(*(Pyramid(8 * width, 8 * width) for _ in range(2 * deep)))
        self.score3 = nn.Conv2d(8 * width, width, 1, bias=False)
        self.up3 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.score2 = convolution(8 * width, width, 1, nn.PReLU(width))
        self.fuse2 = Pyramid(2 * width, width)
        self.up2 = nn.ConvTranspose2d(width, width, 2, stride=2, bias=False)
        self.fuse1 = convolution(2 * width, width, 3, nn.PReLU(width))
        self.up1 = nn.ConvTranspose2d(width, classes, 2, stride=2, bias=False)

    def forward(self, image: Tensor) -> Tensor:
        half = functional.avg_pool2d(image, 3, 2, 1)
        stem = self.stem(image)
        down2 = self.down2(torch.cat([stem, half], dim=1))
        level2 = self.mix2(torch.cat([self.level2(down2), down2], dim=1))
        level3 = self.level3(self.down3(level2))
        joined = torch.cat([self.up3(self.score3(level3)), self.score2(level2)], dim=1)
        fused = self.up2(self.fuse2(joined))
        logits: Tensor = self.up1(self.fuse1(torch.cat([fused, stem], dim=1)))
        return logits


class Inverted(nn.Module):
    """Widen by 1x1, convolve each channel by itself, and narrow again (MobileNetV2, CVPR 2018)."""

    def __init__(self, inside: int, outside: int, stride: int = 1, widen: int = 4) -> None:
        super().__init__()
        width = widen * inside
        self.block = nn.Sequential(
            convolution(inside, width, 1, nn.ReLU6()),
            convolution(width, width, 3, nn.ReLU6(), stride=stride, groups=width),
            convolution(width, outside, 1, None),
        )
        self.residual = stride == 1 and inside == outside

    def forward(self, features: Tensor) -> Tensor:
        made: Tensor = self.block(features)
        return made + features if self.residual else made


class Depthwise(nn.Module):
    """Inverted residuals down to 1/16, and a decoder that joins 1/4."""

    def __init__(self, classes: int = 3, width: int = 8, deep: int = 2) -> None:
        super().__init__()
        self.stem = convolution(3, 2 * width, 3, nn.ReLU6(), stride=2)
        self.low = nn.Sequential(Inverted(2 * width, 2 * width), Inverted(2 * width, 3 * width, stride=2))
        self.middle = nn.Sequential(
            Inverted(3 * width, 4 * width, stride=2), *(Inverted(4 * width, 4 * width) for _ in range(deep))
        )
        self.high = nn.Sequential(
            Inverted(4 * width, 8 * width, stride=2), *(Inverted(8 * width, 8 * width) for _ in range(deep))
        )
        self.project = convolution(8 * width, 4 * width, 1, nn.ReLU6())
        self.skip = convolution(3 * width, 4 * width, 1, nn.ReLU6())
        self.fuse = nn.Sequential(Inverted(8 * width, 4 * width, widen=1), nn.Conv2d(4 * width, classes, 1))

    def forward(self, image: Tensor) -> Tensor:
        low = self.low(self.stem(image))
        high = self.project(self.high(self.middle(low)))
        large = functional.interpolate(high, size=low.shape[-2:], mode="bilinear", align_corners=False)
        logits: Tensor = self.fuse(torch.cat([large, self.skip(low)], dim=1))
        return logits


class UNet(nn.Module):
    """Two levels of convolutions, max pooling, transposed convolutions and concatenation."""

    def __init__(self, inside: int, outside: int, width: int) -> None:
        super().__init__()
        self.first = self._pair(inside, width)
        self.second = self._pair(width, 2 * width)
        self.up = nn.ConvTranspose2d(2 * width, width, 2, stride=2)
        self.last = self._pair(2 * width, width)
        self.head = nn.Conv2d(width, outside, 1)

    def forward(self, image: Tensor) -> Tensor:
        first = self.first(image)
        up = self.up(self.second(functional.max_pool2d(first, 2)))
        logits: Tensor = self.head(self.last(torch.cat([up, first], dim=1)))
        return logits

    @staticmethod
    def _pair(inside: int, outside: int) -> nn.Sequential:
        return nn.Sequential(
            convolution(inside, outside, 3, nn.ReLU()), convolution(outside, outside, 3, nn.ReLU())
        )


class WNetLike(nn.Module):
    """Two U-Nets in a row: the second reads the image and what the first found."""

    def __init__(self, classes: int = 3, width: int = 8) -> None:
        super().__init__()
        self.first = UNet(3, classes, width)
        self.second = UNet(3 + classes, classes, width)

    def forward(self, image: Tensor) -> Tensor:
        logits: Tensor = self.second(torch.cat([image, torch.sigmoid(self.first(image))], dim=1))
        return logits
