"""One network of torchvision, as wrappers of training write its weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torchvision.models import segmentation

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import as_tensor, balance, labels_of, perturb
from benchmarks.family_rows.trained import TRAINED, train
from edgeseg.scenes.scene import generate

CLASSES = 5
SIZE_HW = (128, 128)

Weights = dict[str, Tensor]
Save = Callable[[Weights, Path], Path]
"""Writes a state dict below a folder; gives what `--weights` takes."""


def _network(*, trained: bool) -> nn.Module:
    torch.manual_seed(0)
    network = segmentation.deeplabv3_mobilenet_v3_large(
        weights=None, weights_backbone=None, num_classes=CLASSES
    )
    if trained:
        train(network, CLASSES, SIZE_HW, as_tensor, logits_of=itemgetter("out"))
        return network
    perturb(network)
    with torch.inference_mode():
        logits = network(as_tensor(generate(0, SIZE_HW).image))["out"]
    balance(network.classifier[-1], [logits])
    return network


def _write(folder: Path, *, save: Save, dtype: torch.dtype, trained: bool) -> Written:
    network = _network(trained=trained)
    weights = {
        name: tensor.to(dtype) if tensor.is_floating_point() else tensor
        for name, tensor in network.state_dict().items()
    }
    network.load_state_dict(weights)  # which rounds them
    path = save(weights, folder)

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return labels_of(network(as_tensor(frame))["out"], SIZE_HW)

    return Written(path, eager)


def _torch_file(
    weights: Weights,
    folder: Path,
    *,
    before: str = "",
    entry: str = "",
    beside: Mapping[str, Any] | None = None,
) -> Path:
    named = {before + name: tensor for name, tensor in weights.items()}
    torch.save({entry: named, **(beside or {})} if entry else named, folder / "w.pth")
    return folder / "w.pth"


def _sharded(weights: Weights, folder: Path) -> Path:
    names = list(weights)
    halves = {"model-00001-of-00002.safetensors": names[::2], "model-00002-of-00002.safetensors": names[1::2]}
    for file, held in halves.items():
        safetensors.torch.save_file({name: weights[name].contiguous() for name in held}, folder / file)
    index = {"weight_map": {name: file for file, held in halves.items() for name in held}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


WRAPPINGS: Mapping[str, Save] = {
    "state dict": _torch_file,
    "state dict" + TRAINED: _torch_file,
    "DataParallel": partial(_torch_file, before="module."),
    "torch.compile in DDP": partial(_torch_file, before="module._orig_mod."),
    "Lightning": partial(
        _torch_file, before="model.", entry="state_dict", beside={"hyper_parameters": {"lr": 0.1}, "epoch": 3}
    ),
    "Lightning, compiled, DDP": partial(_torch_file, before="net._orig_mod.module.", entry="state_dict"),
    "fastai learner.save": partial(_torch_file, entry="model", beside={"opt": {"hypers": []}}),
    "PEFT merged": partial(_torch_file, before="base_model.model."),
    "average of torch.optim": partial(_torch_file, before="module.", entry="model_ema"),
    "fp16": _torch_file,
    "bf16": _torch_file,
    "sharded safetensors": _sharded,
}

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16}

CASES = tuple(
    Case(
        family="torchvision",
        architecture="deeplabv3_mobilenet_v3_large",
        written=written,
        write=partial(
            _write,
            save=save,
            dtype=DTYPES.get(written, torch.float32),
            trained=written.endswith(TRAINED),
        ),
        expected="torchvision:deeplabv3_mobilenet_v3_large",
        size_hw=SIZE_HW,
    )
    for written, save in WRAPPINGS.items()
)
