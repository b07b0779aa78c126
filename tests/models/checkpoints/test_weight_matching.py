"""The part of a file that is the network's is found, the rest is named, and other networks are refused."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from edgeseg.models.checkpoints.weight_matching import Match, match_weights, parts_like
from edgeseg.models.unet import UNet

OWN = ("inc.conv.weight", "inc.conv.bias", "out.conv.weight")


def tensors(names: tuple[str, ...] | list[str], value: float = 0.0) -> dict[str, Tensor]:
    return {name: torch.full((2, 3) if name.endswith("weight") else (2,), value) for name in names}


def put_before(prefix: str, value: float = 0.0) -> dict[str, Tensor]:
    return tensors([prefix + name for name in OWN], value)


WANTED = tensors(OWN)


def is_whole(match: Match, weights: dict[str, Tensor], prefix: str) -> bool:
    return all(match.weights[name] is weights[prefix + name] for name in OWN)


@pytest.mark.parametrize(
    "prefix",
    [
        "",
        "module.",
        "model.",
        "net.",
        "_model.",
        "student.",
        "segmentor.",
        "model.module._orig_mod.",
        "ema_model.module.",
        "anything.at.all.",
    ],
)
def test_any_prefix_is_taken_off(prefix: str) -> None:
    weights = {**put_before(prefix), "criterion.weight": torch.ones(2), "mean": torch.ones(1, 3, 1, 1)}

    match = match_weights(weights, WANTED)

    assert is_whole(match, weights, prefix)
    assert match.prefix == prefix
    assert (match.strays, match.further) == (("criterion.weight", "mean"), ())


@pytest.mark.parametrize("theirs", ["", "model.", "module.student."])
@pytest.mark.parametrize("own", ["net.", "segmenter.net."])
def test_a_prefix_is_put_before_names_that_a_users_wrapper_lengthens(own: str, theirs: str) -> None:
    weights = put_before(theirs)

    match = match_weights(weights, put_before(own))

    assert {name.removeprefix(own): value for name, value in match.weights.items()} == {
        name.removeprefix(theirs): value for name, value in weights.items()
    }
    assert not match.strays


def test_a_wrappers_own_buffers_are_what_is_missing() -> None:
    wanted = {**put_before("net."), "mean": torch.zeros(3)}

    without = match_weights(put_before("model."), wanted)
    with_mean = match_weights({**put_before("model."), "mean": torch.ones(3)}, wanted)

    assert wanted.keys() - without.weights.keys() == {"mean"}
    assert wanted.keys() == with_mean.weights.keys()


def test_a_wrapped_layer_alone_takes_bare_names_and_no_others() -> None:
    wanted = nn.ModuleDict({"net": nn.Linear(3, 2)}).state_dict()

    assert match_weights(nn.Linear(3, 2).state_dict(), wanted).weights.keys() == wanted.keys()
    assert not match_weights(nn.ModuleDict({"head": nn.Linear(3, 2)}).state_dict(), wanted).weights


@pytest.mark.parametrize("prefix", ["", "module.", "model."])
@pytest.mark.parametrize("own", ["module.", "model.", "ema."])
def test_a_part_of_the_network_that_is_called_like_a_wrapper_stays(prefix: str, own: str) -> None:
    weights = put_before(prefix + own)

    match = match_weights(weights, put_before(own))

    assert {prefix + name: value for name, value in match.weights.items()} == weights


@pytest.mark.parametrize(
    ("plain", "average"),
    [
        ("student.", "teacher."),
        ("model.student.", "model.teacher."),
        ("model.", "ema_model."),
        ("", "ema."),
        ("model.", "ema_model.module."),
        ("ema.online_model.", "ema.ema_model."),
    ],
)
def test_an_average_gives_way_to_the_weights_and_is_named(plain: str, average: str) -> None:
    weights = {**put_before(average, 1.0), **put_before(plain), "ema.step": torch.tensor(3)}

    match = match_weights(weights, WANTED)

    assert is_whole(match, weights, plain)
    assert (match.averages, match.rivals, match.further) == ((average,), (), ())
    assert set(match.strays) == {average + name for name in OWN}


def test_parts_that_fit_equally_with_other_values_are_rivals() -> None:
    weights = {**put_before("one."), **put_before("two.", 1.0)}

    assert match_weights(weights, WANTED).rivals == ("two.",)
    chosen = match_weights(weights, WANTED, prefix="two.")
    assert is_whole(chosen, weights, "two.")
    assert not chosen.rivals
    assert not match_weights({**put_before("one."), **put_before("two.")}, WANTED).rivals


def test_shapes_decide_where_names_tie() -> None:
    large = {f"large.{name}": torch.zeros(9, 9) for name in OWN}
    weights = {**large, **put_before("small.")}

    match = match_weights(weights, WANTED)

    assert (match.prefix, match.rivals) == ("small.", ())
    assert set(match.strays) == large.keys()
    assert match_weights(weights, WANTED, by_shape=False).rivals


@pytest.mark.parametrize(
    "extra",
    [
        {"inc.conv2.weight": torch.ones(2, 3)},  # within a module of the network
        {"inc.scale": torch.ones(2)},
        {"inc2.conv.bias": torch.ones(2)},  # a module of the same name and another number
    ],
)
@pytest.mark.parametrize("prefix", ["", "model."])
def test_layers_that_the_network_lacks_are_another_networks(prefix: str, extra: dict[str, Tensor]) -> None:
    named = {prefix + name: value for name, value in extra.items()}

    match = match_weights({**put_before(prefix), **named}, WANTED)

    assert match.further == tuple(named)
    assert match.strays == ()


@pytest.mark.parametrize(
    "name",
    [
        "criterion.weight",
        "perceptual_loss.vgg.0.weight",
        "val_iou.confmat",
        "aux_classifier.0.weight",
        "teacher.a.weight",
        "projector.0.weight",
        "pos_embed",
    ],
)
def test_what_lies_beside_the_network_is_a_stray(name: str) -> None:
    match = match_weights({**WANTED, name: torch.ones(4, 4)}, WANTED)

    assert (match.strays, match.further) == ((name,), ())


def test_whole_numbers_and_what_lies_outside_are_strays() -> None:
    weights = {**put_before("model."), "model.inc.index": torch.arange(4), "decoder.weight": torch.ones(4, 4)}

    match = match_weights(weights, WANTED)

    assert (match.strays, match.further) == (("model.inc.index", "decoder.weight"), ())


def test_a_deeper_unet_of_constant_width_is_not_cut_to_a_shallower_one() -> None:
    wanted = UNet(2, width=4, depth=2).state_dict()
    deeper = {**wanted, "down3.maxpool_conv.1.double_conv.0.bias": torch.zeros(4)}

    assert match_weights(deeper, wanted).further == ("down3.maxpool_conv.1.double_conv.0.bias",)


def test_counters_are_neither_wanted_nor_told() -> None:
    net = nn.Sequential(nn.BatchNorm2d(2))
    weights = {**net.state_dict(), "n_averaged": torch.tensor(3), "1.num_batches_tracked": torch.tensor(3)}

    match = match_weights(weights, nn.Sequential(nn.BatchNorm2d(2, track_running_stats=True)).state_dict())

    assert (match.strays, match.further) == ((), ())


def test_the_same_part_is_listed_once() -> None:
    weights = put_before("model.module.")

    assert parts_like(weights, WANTED) == ["model.module."]
    assert set(parts_like({**weights, **put_before("other.", 1.0)}, WANTED)) == {"model.module.", "other."}
    assert parts_like({"a.b": torch.ones(1)}, WANTED) == [""]
