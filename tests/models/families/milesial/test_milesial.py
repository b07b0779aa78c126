"""U-Nets of milesial's names, and of tutorials' names, against modules written as the tutorials do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgeseg.errors import UsageError
from edgeseg.models.families.closest import closest
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.milesial.milesial import Milesial
from edgeseg.models.network import Network
from edgeseg.models.unet import UNet
from tests.models.families.perturbed import perturbed


def convolutions(c_in: int, c_out: int, *, norm: bool, bias: bool) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before in (c_in, c_out):
        layers.append(nn.Conv2d(before, c_out, 3, padding=1, bias=bias))
        layers += [nn.BatchNorm2d(c_out)] if norm else []
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Tutorial(nn.Module):
    """A U-Net that makes its expanding path first, and names things in its own way."""

    def __init__(self, names: tuple[str, str, str, str], *, up_first: bool = False, **form: bool) -> None:
        super().__init__()
        self.names, self.up_first = names, up_first
        down, up, bottom, final = names
        widths = (4, 8, 16)
        ups = nn.ModuleList()
        for width in reversed(widths):
            ups.append(nn.ConvTranspose2d(2 * width, width, 2, stride=2))
            ups.append(convolutions(2 * width, width, **form))
        self.add_module(up, ups)
        pairs = zip((3, *widths), widths, strict=False)
        self.add_module(down, nn.ModuleList(convolutions(c_in, c_out, **form) for c_in, c_out in pairs))
        self.add_module(bottom, convolutions(widths[-1], 2 * widths[-1], **form))
        self.add_module(final, nn.Conv2d(widths[0], 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        down, up, bottom, final = (getattr(self, name) for name in self.names)
        skips = []
        for block in down:
            x = block(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = bottom(x)
        for index, skip in enumerate(reversed(skips)):
            x = up[2 * index](x)
            x = up[2 * index + 1](torch.cat([x, skip] if self.up_first else [skip, x], dim=1))
        result: Tensor = final(x)
        return result


PERSSON = ("downs", "ups", "bottleneck", "final_conv")
OTHERS = ("contract", "expand", "floor", "head")


def made(module: nn.Module, **arguments: Any) -> tuple[Recognised, Network]:
    source = Source(Path("unet.pth"), module.state_dict())
    recognised = Milesial().recognise(source)
    assert recognised is not None
    return recognised, Milesial().make(source, recognised, arguments)


def check(network: Network, own: nn.Module) -> None:
    image = torch.rand((1, 3, 32, 48), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        assert torch.allclose(network.module(image), own(image), atol=1e-5)


def test_milesials_own_is_certain() -> None:
    with torch.device("meta"):
        weights = UNet(2).state_dict()
    found = Milesial().recognise(Source(Path("MODEL.pth"), weights))
    assert found is not None
    assert (found.model, found.sure, found.num_classes) == ("milesial:UNet", "certain", 2)


def test_others_of_its_names_are_left_to_the_zoo() -> None:
    assert Milesial().recognise(Source(Path("w.pth"), UNet(2, width=4, depth=2).state_dict())) is None


@pytest.mark.parametrize("form", [{"norm": True, "bias": False}, {"norm": False, "bias": True}])
def test_a_tutorials_unet_is_found_by_its_shapes(form: dict[str, bool]) -> None:
    own = perturbed(Tutorial(PERSSON, **form))
    recognised, network = made(own)
    assert (recognised.sure, recognised.parameters) == ("guessed", {"width": 4, "depth": 3})
    check(network, own)


@pytest.mark.parametrize("up_first", [False, True])
def test_the_order_of_joining_is_asked_for_where_no_name_says_it(up_first: bool) -> None:
    own = perturbed(Tutorial(OTHERS, up_first=up_first, norm=True, bias=False))
    with pytest.raises(UsageError, match=r"'milesial:Plain\?join=skip_first' or join=up_first"):
        made(own)
    _, network = made(own, join="up_first" if up_first else "skip_first")
    check(network, own)


def test_weights_of_other_shapes_are_none_of_its_own() -> None:
    lopsided = nn.Sequential(nn.Conv2d(3, 8, 3), nn.Conv2d(8, 8, 3), nn.Conv2d(8, 2, 1))
    for module in (nn.Conv2d(3, 8, 3), lopsided, nn.Linear(3, 3)):
        source = Source(Path("w.pth"), module.state_dict())
        found = Milesial().recognise(source)
        assert found is None, module


def test_of_a_u_net_with_a_part_of_its_own_the_part_is_named() -> None:
    """Its other layers are those of a tutorial, and a gate lies between them."""
    layers = nn.ModuleDict(
        {name: convolutions(3, 4, norm=True, bias=True) for name in ("inc", "down1", "conv1")}
        | {"up1": nn.ConvTranspose2d(4, 4, 2, stride=2), "outc": nn.Conv2d(4, 2, 1)}
        | {"gate": nn.Conv2d(2, 1, 7, bias=False)}
    )
    near = closest(Source(Path("w.pth"), layers.state_dict()), [Milesial()])
    assert near[0].model == "milesial:Plain"
    assert near[0].foreign == ("gate.weight",)
    assert not near[0].lacking
