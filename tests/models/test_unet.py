from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from edgeseg.errors import ShapeError
from edgeseg.models.unet import UNet, read_parameters, unpadded_sizes

from .reference_weights import randomise_batch_norm

TOLERANCE = 1e-4  # relative; the task's bound


@pytest.mark.parametrize("bilinear", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("size_hw", [(64, 96), (37, 51)])
def test_milesial_weights_give_milesial_logits(bilinear: bool, bias: bool, size_hw: tuple[int, int]) -> None:
    theirs = MilesialUNet(classes=3, bilinear=bilinear, bias=bias).eval()
    randomise_batch_norm(theirs)
    ours = UNet(3, upsampling="bilinear" if bilinear else "transpose", bias=bias).eval()
    ours.load_state_dict(theirs.state_dict(), strict=True)
    image = torch.rand(1, 3, *size_hw)

    with torch.inference_mode():
        logits, expected = ours(image), theirs(image)

    assert logits.shape == (1, 3, *size_hw)
    torch.testing.assert_close(logits, expected, rtol=TOLERANCE, atol=TOLERANCE * float(expected.abs().max()))


def test_paper_network_turns_572_pixels_into_388() -> None:
    assert unpadded_sizes(388) == (572, 388)
    paper = UNet(2, in_channels=1, width=2, border="crop", batch_norm=False, bias=True)

    assert paper(torch.zeros(1, 1, 572, 572)).shape == (1, 2, 388, 388)


def test_paper_network_has_the_papers_parameters() -> None:
    paper = UNet(2, in_channels=1, border="crop", batch_norm=False, bias=True)

    def conv(c_in: int, c_out: int, kernel: int) -> int:
        return (c_in * kernel**2 + 1) * c_out  # weights and bias

    # figure 1, left to right
    down = sum(
        conv(i, o, 3) + conv(o, o, 3) for i, o in [(1, 64), (64, 128), (128, 256), (256, 512), (512, 1024)]
    )
    up = sum(conv(2 * o, o, 2) + conv(2 * o, o, 3) + conv(o, o, 3) for o in [512, 256, 128, 64])
    assert sum(p.numel() for p in paper.parameters()) == down + up + conv(64, 2, 1)


@pytest.mark.parametrize("size_hw", [(64, 64), (50, 75)])
def test_mirrored_border_is_the_unpadded_network_on_the_reflected_image(size_hw: tuple[int, int]) -> None:
    net = UNet(2, width=4, depth=2, border="mirror").eval()
    image = torch.rand(1, 3, *size_hw)
    margin, generous = 20, 23  # depth 2 eats 20 pixels a side; 3 more on the far side make any size fit

    with torch.inference_mode():
        logits = net(image)
        net.border = "crop"
        reflected = F.pad(image, (margin, generous, margin, generous), mode="reflect")
        sides = [unpadded_sizes(side, 2)[0] for side in size_hw]
        expected = net(reflected[..., : sides[0], : sides[1]])

    assert logits.shape == (1, 2, *size_hw)
    torch.testing.assert_close(logits, expected[..., : size_hw[0], : size_hw[1]])


def test_sizes_that_do_not_fit_are_refused_with_one_that_does() -> None:
    with pytest.raises(ShapeError, match="at least 16 pixels"):
        UNet(2, width=2)(torch.zeros(1, 3, 15, 64))
    with pytest.raises(ShapeError, match="the next that fits is 572"):
        UNet(2, width=2, border="crop")(torch.zeros(1, 3, 572, 570))
    with pytest.raises(ShapeError, match="the mirrored border is 104 pixels wide"):
        UNet(2, width=2, border="mirror")(torch.zeros(1, 3, 40, 40))


@pytest.mark.parametrize(
    "parameters",
    [
        {"upsampling": "bilinear", "depth": 3},
        {"upsampling": "transpose", "batch_norm": False, "bias": True},
        {"upsampling": "transpose", "width": 6, "in_channels": 1},
    ],
)
def test_parameters_are_read_back_from_weights(parameters: dict[str, object]) -> None:
    made = {"num_classes": 5, "width": 4, **parameters}
    net = UNet(**made)  # type: ignore[arg-type]

    read = read_parameters(net.state_dict())

    assert {key: read[key] for key in made} == made
    UNet(**read).load_state_dict(net.state_dict(), strict=True)  # type: ignore[arg-type]


class MilesialUNet(nn.Module):
    """An independent, literal reading of milesial/Pytorch-UNet: the same names, spelled out."""

    def __init__(self, classes: int, bilinear: bool, bias: bool) -> None:
        super().__init__()
        self.bilinear = bilinear

        def double(c_in: int, c_mid: int, c_out: int) -> nn.Module:
            return _named(
                "double_conv",
                nn.Sequential(
                    nn.Conv2d(c_in, c_mid, 3, padding=1, bias=bias),
                    nn.BatchNorm2d(c_mid),
                    nn.ReLU(),
                    nn.Conv2d(c_mid, c_out, 3, padding=1, bias=bias),
                    nn.BatchNorm2d(c_out),
                    nn.ReLU(),
                ),
            )

        self.inc = double(3, 64, 64)
        bottom = 512 if bilinear else 1024
        for i, (c_in, c_out) in enumerate([(64, 128), (128, 256), (256, 512), (512, bottom)], 1):
            pooled = nn.Sequential(nn.MaxPool2d(2), double(c_in, c_out, c_out))
            self.add_module(f"down{i}", _named("maxpool_conv", pooled))
        wide = [(1024, 512, 256), (512, 256, 128), (256, 128, 64), (128, 64, 64)]
        deep = [(1024, 512, 512), (512, 256, 256), (256, 128, 128), (128, 64, 64)]
        for i, (c_in, c_mid, c_out) in enumerate(wide if bilinear else deep, 1):
            up = _named("conv", double(c_in, c_mid, c_out))
            if not bilinear:
                up.add_module("up", nn.ConvTranspose2d(c_in, c_in // 2, 2, stride=2))
            self.add_module(f"up{i}", up)
        self.outc = _named("conv", nn.Conv2d(64, classes, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        maps = [self.inc.double_conv(x)]
        for i in range(1, 5):
            pool, double = getattr(self, f"down{i}").maxpool_conv
            maps.append(double.double_conv(pool(maps[-1])))
        x = maps.pop()
        for i in range(1, 5):
            up, skip = getattr(self, f"up{i}"), maps.pop()
            if self.bilinear:
                x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
            else:
                x = up.up(x)
            dy, dx = skip.shape[2] - x.shape[2], skip.shape[3] - x.shape[3]
            x = F.pad(x, [dx // 2, dx - dx // 2, dy // 2, dy - dy // 2])
            x = up.conv.double_conv(torch.cat([skip, x], 1))
        return self.outc.conv(x)


def _named(name: str, child: nn.Module) -> nn.Module:
    parent = nn.Module()
    parent.add_module(name, child)
    return parent
