"""Networks of the zoo are recognised by their weights, whatever wrapped them, and computed as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families.edgeseg_zoo import EdgesegZoo
from edgeseg.models.families.opening import is_of_family, open_source
from edgeseg.models.families.source import read_source
from edgeseg.models.unet import UNet

from ..reference_weights import randomise_batch_norm


def _saved(tmp_path: Path, *, dtype: torch.dtype = torch.float32) -> tuple[UNet, Path]:
    torch.manual_seed(0)
    trained = UNet(3, width=4, depth=2).eval()
    randomise_batch_norm(trained)
    rounded = {name: tensor.to(dtype) for name, tensor in trained.state_dict().items()}
    trained.load_state_dict({name: tensor.float() for name, tensor in rounded.items()})
    torch.save(
        {"state_dict": {f"net._orig_mod.{name}": t for name, t in rounded.items()}}, tmp_path / "w.ckpt"
    )
    return trained, tmp_path / "w.ckpt"


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_wrapped_unet_computes_what_was_trained(tmp_path: Path, dtype: torch.dtype) -> None:
    trained, path = _saved(tmp_path, dtype=dtype)

    opened = open_source("auto", read_source(path))

    assert opened.name == "edgeseg:unet"
    assert "recognised as edgeseg:unet, 3 classes" in opened.notes[0]
    image = torch.rand(1, 3, 32, 48)
    with torch.inference_mode():
        torch.testing.assert_close(opened.network.module(image), trained(image))
    assert opened.network.said["mean_rgb"] == "edgeseg's unet"


def test_a_named_architecture_is_taken_and_must_fit(tmp_path: Path) -> None:
    _, path = _saved(tmp_path)
    source = read_source(path)
    assert open_source("edgeseg:unet?border='mirror'", source).name == "edgeseg:unet?border=mirror"
    with pytest.raises(CheckpointError, match="does not fit the network"):
        open_source("edgeseg:demo_deeplab", source)
    with pytest.raises(UsageError, match="did you mean unet"):
        open_source("edgeseg:unett", source)


def test_weights_of_something_else_are_not_the_zoos(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.ones(3, 3), "b.weight": torch.ones(2)}, tmp_path / "w.pth")
    source = read_source(tmp_path / "w.pth")
    assert EdgesegZoo().recognise(source) is None
    with pytest.raises(CheckpointError, match=r"w\.pth is not recognised; no family is near"):
        open_source("auto", source)


def test_the_zoos_names_stay_its_names() -> None:
    assert not is_of_family("unet")
    assert is_of_family("auto")
    assert is_of_family("edgeseg:unet")
    assert not is_of_family("file.py:build")
