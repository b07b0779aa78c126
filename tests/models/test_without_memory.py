"""Networks made without memory have the names, shapes and types of those that hold numbers."""

from __future__ import annotations

import subprocess
import sys

import torch
from torch import nn

from edgeseg.models import zoo
from edgeseg.models.without_memory import without_memory

NEAREST = """
import sys
import torch
from edgeseg.models.checkpoints.nearest import nearest_network
assert nearest_network({"conv.weight": torch.ones(2, 2)}) is None
assert "torch._dynamo" not in sys.modules
"""


def test_names_shapes_and_types_are_the_same() -> None:
    for name in ("demo_unet", "demo_maskrcnn", "deeplabv3_mobilenet_v3_large"):
        with without_memory():
            bare = zoo.create(name).module.state_dict()
        full = zoo.create(name).module.state_dict()
        assert all(tensor.is_meta for tensor in bare.values())
        assert {key: (t.shape, t.dtype) for key, t in bare.items()} == {
            key: (t.shape, t.dtype) for key, t in full.items()
        }


def test_what_is_made_afterwards_has_its_numbers() -> None:
    with without_memory():
        nn.Linear(2, 2)
    assert nn.init.constant_(torch.empty(2), 3.0).tolist() == [3.0, 3.0]
    assert bool(nn.Linear(64, 64).weight.std() > 0)


def test_weights_are_compared_with_the_zoo_without_pytorchs_compiler() -> None:
    subprocess.run([sys.executable, "-c", NEAREST], check=True)
