from __future__ import annotations

import argparse
import hashlib
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from edgeseg.errors import CheckpointError
from edgeseg.models.checkpoints.checkpoint import Checkpoint, num_classes_of, read_checkpoint
from edgeseg.models.checkpoints.weight_matching import match_weights
from edgeseg.models.deeplab import deeplabv3_mobilenet_v3_large, deeplabv3plus_resnet
from edgeseg.models.unet import UNet

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.zeros(2)}
SCORE = torch.tensor(77.0)
AVERAGE = {key: value + 1.0 for key, value in WEIGHTS.items()}


def with_prefix(prefix: str, weights: dict[str, Tensor] = WEIGHTS) -> dict[str, Tensor]:
    return {prefix + key: value for key, value in weights.items()}


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        (WEIGHTS, ""),
        (OrderedDict(WEIGHTS), ""),
        ({**WEIGHTS, "mask_values": [0, 255]}, ""),  # milesial/Pytorch-UNet
        ({"state_dict": WEIGHTS, "epoch": 3}, "state_dict"),
        ({"model_state": WEIGHTS, "best_score": np.float64(0.5)}, "model_state"),  # VainF/DeepLabV3Plus
        (
            {"model": WEIGHTS, "optimizer": {}, "args": argparse.Namespace(lr=0.1), "model_ema": AVERAGE},
            "model",
        ),  # torchvision's reference scripts
        ({"model_state_dict": with_prefix("module.")}, "model_state_dict"),
        (with_prefix("_orig_mod."), ""),
        (with_prefix("module._orig_mod."), ""),
        ({"a._orig_mod.weight": WEIGHTS["a.weight"], "a.bias": WEIGHTS["a.bias"]}, ""),
        ({"model": {"state_dict": WEIGHTS}}, "model.state_dict"),
        ({"state_dict": WEIGHTS, "best_acc1": SCORE}, "state_dict"),  # PyTorch's ImageNet example
        ({"module": WEIGHTS, "global_steps": 9}, "module"),  # DeepSpeed
        ({"model": {"name": "tiny"}, **WEIGHTS}, ""),
        ({"state_dict": {**with_prefix("model."), **with_prefix("ema_model.", AVERAGE)}}, "state_dict"),
        ({"my_network": WEIGHTS, "best_acc1": SCORE}, ""),
        ({"nets": {"segmentor": WEIGHTS, "discriminator": {"b.weight": SCORE}}, "epoch": 3}, ""),
    ],
)
def test_weights_are_found_wherever_training_scripts_put_them(
    tmp_path: Path, content: Any, entry: str
) -> None:
    path = tmp_path / "weights.bin"
    torch.save(content, path)

    checkpoint = read_checkpoint(path)

    assert same(found(checkpoint), WEIGHTS)
    assert (checkpoint.entry, checkpoint.averaged) == (entry, False)
    assert checkpoint.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "entry"),
    [
        ({"ema": {"module": AVERAGE}, "model": WEIGHTS}, "ema.module"),
        ({"model_ema": {"n_averaged": torch.tensor(9), **with_prefix("module.", AVERAGE)}}, "model_ema"),
        ({"state_dict_ema": AVERAGE, "state_dict": WEIGHTS}, "state_dict_ema"),
        ({"model_ema": {"module": AVERAGE, "decay": SCORE}, "model": WEIGHTS}, "model_ema.module"),
        ({"state_dict": {**with_prefix("model."), **with_prefix("ema_model.", AVERAGE)}}, "state_dict"),
        ({**WEIGHTS, **with_prefix("ema.", AVERAGE)}, ""),
    ],
)
def test_average_is_taken_when_asked_for(tmp_path: Path, content: Any, entry: str) -> None:
    torch.save(content, tmp_path / "w.pt")

    checkpoint = read_checkpoint(tmp_path / "w.pt", ema=True)

    assert same(found(checkpoint), AVERAGE)
    assert (checkpoint.entry, checkpoint.averaged) == (entry, True)


@pytest.mark.parametrize(
    "content", [{"ema_state_dict": AVERAGE, "epoch": 3}, {"state_dict": with_prefix("ema_model.", AVERAGE)}]
)
def test_average_alone_is_taken_and_said(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "w.pt")

    checkpoint = read_checkpoint(tmp_path / "w.pt")

    assert same(found(checkpoint), AVERAGE)
    assert checkpoint.averaged


def test_real_averaged_model_is_read(tmp_path: Path) -> None:
    net = nn.Linear(3, 2)
    averaged = torch.optim.swa_utils.AveragedModel(net)
    averaged.update_parameters(net)
    torch.save({"model_ema": averaged.state_dict()}, tmp_path / "w.pt")

    averaged_weights = read_checkpoint(tmp_path / "w.pt").weights
    assert same(match_weights(averaged_weights, net.state_dict()).weights, net.state_dict())


@pytest.mark.parametrize("name", ["w.safetensors", "w.pth"])
def test_format_is_told_by_content_not_by_name(tmp_path: Path, name: str) -> None:
    safetensors.torch.save_file(WEIGHTS, tmp_path / name)
    assert same(read_checkpoint(tmp_path / name).weights, WEIGHTS)

    for zipped in (True, False):  # today's format and the one before PyTorch 1.6
        torch.save(WEIGHTS, tmp_path / name, _use_new_zipfile_serialization=zipped)
        assert same(read_checkpoint(tmp_path / name).weights, WEIGHTS)


class Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("exploded"),)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("content", [{"model": Bomb()}, nn.Linear(2, 2)])
def test_file_with_code_is_refused_unopened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: Any, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(content, "w.pt", _use_new_zipfile_serialization=zipped)

    with pytest.raises(CheckpointError, match=r"holds Python objects.*save the weights alone"):
        read_checkpoint("w.pt")

    assert not Path("exploded").exists()


@pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")
def test_torchscript_program_is_refused(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), str(tmp_path / "w.pt"))

    with pytest.raises(CheckpointError, match="TorchScript program"):
        read_checkpoint(tmp_path / "w.pt")


def test_files_that_are_no_checkpoints_are_refused(tmp_path: Path) -> None:
    def refused(content: bytes, message: str) -> None:
        (tmp_path / "w.pt").write_bytes(content)
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / "w.pt")

    torch.save({"model": WEIGHTS}, tmp_path / "good.pt")
    good = (tmp_path / "good.pt").read_bytes()
    safetensors.torch.save_file(WEIGHTS, tmp_path / "good.safetensors")
    good_safetensors = (tmp_path / "good.safetensors").read_bytes()
    refused(b"", "is empty")
    refused(b"\x89PNG and so on", "neither a safetensors nor a PyTorch file")
    refused(good[: len(good) // 2], "is damaged")
    refused(good_safetensors[:-4], "is damaged")
    with pytest.raises(CheckpointError, match="No such file"):
        read_checkpoint(tmp_path / "nowhere.pt")
    with pytest.raises(CheckpointError, match=r"several: good\.pt, good\.safetensors, w\.pt; name one"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("content", "ema", "message"),
    [
        ([1, 2], False, "holds a list"),
        ({"epoch": 3, "config": {"lr": 0.1}}, False, "its entries are epoch, config"),
        ({"model": WEIGHTS}, True, "holds no moving average, only model"),
        (WEIGHTS, True, "holds weights alone"),
        ({"scores": {"best": SCORE}, "best_acc1": SCORE}, False, "its entries are scores, best_acc1"),
        ({"model": WEIGHTS, "ema": {"shadow_params": [SCORE]}}, True, "average without names"),
        ({"a.weight": np.ones((2, 2))}, False, "as arrays of NumPy, not as tensors; .*from_numpy"),
        ({"state_dict": {"a.weight": np.ones((2, 2))}}, False, "as arrays of NumPy"),
        ({"shadow_params": [SCORE], "decay": 0.9}, False, "ema.average_parameters"),
    ],
)
def test_files_without_the_wanted_weights_are_refused(
    tmp_path: Path, content: Any, ema: bool, message: str
) -> None:
    torch.save(content, tmp_path / "w.pt")

    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(tmp_path / "w.pt", ema=ema)


DAMAGE_STEP = {True: 97, False: 41}  # bytes; both hit headers, names, pickles and data


@pytest.mark.parametrize("zipped", [True, False])
def test_a_damaged_byte_is_one_clear_line_or_no_harm(tmp_path: Path, zipped: bool) -> None:
    torch.save({"model": WEIGHTS}, tmp_path / "good.pt", _use_new_zipfile_serialization=zipped)
    good = (tmp_path / "good.pt").read_bytes()
    messages = []
    for position in range(0, len(good), DAMAGE_STEP[zipped]):
        for flip in (0x01, 0x80, 0xFF):
            block = bytearray(good)
            block[position] ^= flip
            (tmp_path / "w.pt").write_bytes(block)
            try:
                read_checkpoint(tmp_path / "w.pt")
            except CheckpointError as error:
                messages.append(str(error))
    assert messages
    assert not any("\n" in message for message in messages)


def test_tensors_that_share_a_few_values_among_very_many_are_refused(tmp_path: Path) -> None:
    torch.save({**WEIGHTS, "b.weight": torch.zeros(1).expand(10**6, 10**5)}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=r"with all its weights takes .* edgeseg --limit bytes=381470M"):
        read_checkpoint(tmp_path / "w.pt")


def test_an_archive_that_unpacks_to_far_more_than_it_is_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.save(WEIGHTS, tmp_path / "good.pt")
    with (
        zipfile.ZipFile(tmp_path / "good.pt") as good,
        zipfile.ZipFile(tmp_path / "w.pt", "w", zipfile.ZIP_DEFLATED) as bomb,
    ):
        for name in good.namelist():
            bomb.writestr(name, bytes(4 << 20) if name.endswith("data/0") else good.read(name))
    monkeypatch.setenv("EDGESEG_LIMITS", "bytes=1M")
    with pytest.raises(CheckpointError, match=r"unpacked takes .* edgeseg --limit bytes=4M"):
        read_checkpoint(tmp_path / "w.pt")


@pytest.mark.parametrize("weight", [torch.zeros(2, 2).to_sparse(), torch.zeros(2, 2, device="meta")])
def test_tensors_without_values_of_their_own_are_refused(tmp_path: Path, weight: Tensor) -> None:
    torch.save({"a.weight": weight}, tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match=r"'a\.weight' is no plain tensor but"):
        read_checkpoint(tmp_path / "w.pt")


def test_a_byte_array_of_any_length_is_not_made(tmp_path: Path) -> None:
    program = b"\x80\x02}q\x00X\x01\x00\x00\x00acbuiltins\nbytearray\nJ\x00\x00\x00\x7f\x85Rs."  # of 2 GB
    with zipfile.ZipFile(tmp_path / "w.pt", "w") as archive:
        archive.writestr("w/data.pkl", program)
        archive.writestr("w/version", "3\n")
    with pytest.raises(CheckpointError, match="makes a bytearray"):
        read_checkpoint(tmp_path / "w.pt")


def test_a_pipe_is_no_checkpoint(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "w.pt")
    with pytest.raises(CheckpointError, match="it is a pipe, not a file"):
        read_checkpoint(tmp_path / "w.pt")


def test_number_of_classes_is_read_from_the_last_layer() -> None:
    assert num_classes_of(UNet(1, width=2).state_dict()) == 1
    assert num_classes_of(deeplabv3_mobilenet_v3_large(7, width=0.25, aspp_channels=8).state_dict()) == 7
    assert num_classes_of(deeplabv3plus_resnet("resnet18", 5, width=8, aspp_channels=8).state_dict()) == 5
    assert num_classes_of({"roi_heads.box_predictor.cls_score.weight": torch.zeros(91, 4)}) == 91
    assert num_classes_of(WEIGHTS) is None


def found(checkpoint: Checkpoint) -> dict[str, Tensor]:
    return match_weights(checkpoint.weights, WEIGHTS).weights


def same(found: dict[str, Tensor], wanted: dict[str, Tensor]) -> bool:
    return found.keys() == wanted.keys() and all(torch.equal(found[key], wanted[key]) for key in wanted)
