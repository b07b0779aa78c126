"""Turn weights that do not fit a network into one line: what does not fit, and how to fix it."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from edgeseg.errors import CheckpointError, name_a_few
from edgeseg.models.checkpoints.checkpoint import num_classes_of
from edgeseg.models.checkpoints.detector_anchors import Anchors, anchor_advice
from edgeseg.models.checkpoints.nearest import nearest_network
from edgeseg.models.checkpoints.weight_matching import Match
from edgeseg.models.checkpoints.wrappers import ADAPTER_FIX, is_adapter
from edgeseg.models.network_name import split_name
from edgeseg.spec import MAX_CHANNELS, RGB_CHANNELS

IMAGE_CHANNELS = range(1, MAX_CHANNELS + 1)
FURTHER_ADVICE = (
    "layers that the network does not have mean that the weights are another network's; where they serve "
    "training alone, save the weights without them"
)


def misfit(
    match: Match,
    wanted: Mapping[str, Tensor],
    missing: list[str],
    misshapen: list[str],
    *,
    source: str,
    name: str,
    anchors: Anchors | None,
) -> CheckpointError:
    """Say what does not fit, and how to fix it."""
    unexpected = [*match.further, *(match.strays if missing else ())]
    own = {key.removeprefix(match.added): value for key, value in wanted.items()}
    found = {key.removeprefix(match.added): value for key, value in match.weights.items()}
    parts = [
        f"{len(missing)} missing ({name_a_few(missing)})" if missing else "",
        f"{len(unexpected)} unexpected ({name_a_few(unexpected)})" if unexpected else "",
        f"{len(misshapen)} of another kind ({_describe(misshapen, match.weights, wanted)})"
        if misshapen
        else "",
        _class_advice(found, own),
        _channel_advice(misshapen, match.weights, wanted),
        anchor_advice(found, anchors, name) if anchors else "",
        ADAPTER_FIX if any(map(is_adapter, unexpected)) else "",
        _own_tensor_advice(missing, match.added),
        _network_advice(match.part, name) if (missing or unexpected) and not match.added else "",
        FURTHER_ADVICE if match.further and not missing and not misshapen else "",
    ]
    return CheckpointError(f"{source} does not fit the network: " + "; ".join(filter(None, parts)))


def _describe(names: list[str], found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    return name_a_few([f"{key} is {_kind(found[key])} and should be {_kind(wanted[key])}" for key in names])


def _kind(tensor: Tensor) -> str:
    dtype = str(tensor.dtype).removeprefix("torch.")
    return f"{dtype} {tuple(tensor.shape)}"


def _class_advice(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    theirs, ours = num_classes_of(found), num_classes_of(wanted)
    if theirs is None or theirs == ours:
        return ""
    network = "" if ours is None else f", the network {ours}"
    return f"the weights have {theirs} classes{network} (--num-classes {theirs})"


def _channel_advice(misshapen: list[str], found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> str:
    """Say so where the first convolution is made for another number of the image's channels."""
    first = next((key for key, value in wanted.items() if value.ndim == len("OIHW")), None)
    if first is None or first not in misshapen:
        return ""
    (out, theirs, *kernel), (our_out, ours, *our_kernel) = found[first].shape, wanted[first].shape
    if (out, kernel) != (our_out, our_kernel) or theirs == ours or ours not in IMAGE_CHANNELS:
        return ""
    return (
        f"the weights take images of {_channels(theirs)}, the network of {_channels(ours)}: "
        f"{_channel_fix(theirs)}"
    )


def check_image_channels(channels: int, source: str) -> None:
    if channels not in IMAGE_CHANNELS:
        raise CheckpointError(f"{source} takes images of {_channels(channels)}: {_channel_fix(channels)}")


def _own_tensor_advice(missing: list[str], added: str) -> str:
    """Say what to do where a wrapper around the network has tensors of its own, such as a mean colour."""
    if not added or not missing or any(name.startswith(added) for name in missing):
        return ""
    return (
        f"all that is under {added} was found; where the function itself sets {name_a_few(missing)}, say "
        "register_buffer(..., persistent=False) there"
    )


def _channels(count: int) -> str:
    return f"{count} channel" + ("s" if count > 1 else "")


def _channel_fix(theirs: int) -> str:
    if theirs == 1:
        return (
            "make the network for grey images in a function of your own (file.py:function), and export it "
            "with --channel-order grey"
        )
    if theirs == RGB_CHANNELS:
        return "make the network for 3 channels"
    if theirs not in IMAGE_CHANNELS:
        return f"edgeseg gives networks 1 to {MAX_CHANNELS}, so that it cannot run them"
    return (
        f"make the network for {theirs} channels in a function of your own (file.py:function), and export it "
        f"with --channels {theirs}"
    )


def _network_advice(weights: Mapping[str, Tensor], refused: str) -> str:
    nearest = nearest_network(weights)
    near_itself = nearest is None or nearest == split_name(refused)[0]
    return "" if near_itself else f"of the zoo, {nearest} is the nearest"
