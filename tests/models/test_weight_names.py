from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgeseg.models.weight_names import average_of, bare_names, match_names

OWN = ("inc.weight", "outc.bias")


def weights(*names: str) -> dict[str, Tensor]:
    return {name: torch.tensor([float(index)]) for index, name in enumerate(names)}


def put_before(prefix: str) -> dict[str, Tensor]:
    return weights(*(prefix + name for name in OWN))


@pytest.mark.parametrize(
    "prefix", ["", "module.", "model.", "net.", "_orig_mod.", "model.module._orig_mod.", "ema_model.module."]
)
def test_all_wrappers_are_taken_off_for_a_network_of_the_zoo(prefix: str) -> None:
    assert bare_names(put_before(prefix)) == weights(*OWN)


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("own", ["module.", "model.", "ema."])
def test_a_part_of_the_network_that_is_called_like_a_wrapper_stays(prefix: str, own: str) -> None:
    wanted = [own + name for name in OWN]

    assert match_names(put_before(prefix + own), wanted) == put_before(own)


def test_a_real_network_with_an_attribute_called_module_finds_its_own_weights() -> None:
    net = nn.ModuleDict({"module": nn.Linear(2, 2)})

    assert bare_names(net.state_dict(), net.state_dict().keys()).keys() == net.state_dict().keys()


def test_wrappers_that_not_every_name_has_stay() -> None:
    mixed = weights("model.inc.weight", "loss.weight")

    assert bare_names(mixed) == mixed


@pytest.mark.parametrize(
    "both",
    [
        ("model.a", "ema_model.a"),
        ("a", "ema.a"),
        ("model.a", "ema_model.n_averaged", "ema_model.module.a"),  # torch.optim.swa_utils within a module
        ("ema.initted", "ema.step", "ema.online_model.a", "ema.ema_model.a"),  # ema_pytorch
    ],
)
def test_an_average_beside_the_weights_is_told_apart(both: tuple[str, ...]) -> None:
    named = weights(*both)
    plain = next(name for name in both if name.endswith("a") and "ema_model." not in name and name != "ema.a")

    assert bare_names(named) == {"a": named[plain]}
    assert bare_names(average_of(named)) == {"a": named[both[-1]]}


def test_there_is_no_average_in_plain_weights() -> None:
    assert average_of(weights("model.a", "step")) == {}
