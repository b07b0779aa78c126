from __future__ import annotations

import pytest
from torch import nn
from torchvision.ops.misc import FrozenBatchNorm2d

from edgeseg.errors import UsageError
from edgeseg.models.normalisation import is_frozen, set_norm_eps
from edgeseg.models.resnet import resnet18


def test_every_batch_norm_gets_the_epsilon_and_nothing_else_does() -> None:
    net = nn.Sequential(nn.BatchNorm2d(2), nn.Sequential(FrozenBatchNorm2d(2)), nn.GroupNorm(1, 2))

    set_norm_eps(net, 0.0)

    assert (net[0].eps, net[1][0].eps, net[2].eps) == (0.0, 0.0, 1e-5)


def test_a_network_without_batch_norm_is_refused() -> None:
    with pytest.raises(UsageError, match="no batch normalisation"):
        set_norm_eps(nn.Conv2d(1, 1, 1), 0.0)


def test_frozen_normalisation_is_known_by_its_missing_counters() -> None:
    assert is_frozen(resnet18(width=8, norm_layer=FrozenBatchNorm2d).state_dict())
    assert not is_frozen(resnet18(width=8).state_dict())
    assert not is_frozen(nn.Linear(2, 2).state_dict())
