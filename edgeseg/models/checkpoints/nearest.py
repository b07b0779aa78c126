"""Turn weights whose network is not yet made into the part of them that is the network's, or its name.

A network of the zoo is made to the measure of its weights, so that first the weights must be found: those
with most of the names that the network has in its usual form. Where several parts of a file have them, such
as a student and a larger teacher, each is tried.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import torch
from torch import Tensor

from edgeseg.errors import CheckpointError
from edgeseg.limits import refuse_above
from edgeseg.models import zoo
from edgeseg.models.checkpoints.weight_matching import Match, match_weights, parts_like
from edgeseg.models.checkpoints.weight_names import NORM_COUNTER, is_counter
from edgeseg.models.without_memory import without_memory

MOST_DEPTH = 32  # levels at which a network's channels may double
LAYOUT_PARTS = 2  # of a name: a module and its first parts
CLOSE_ENOUGH = 0.5  # share of tensors that must agree before another network is suggested


def part_for(name: str, weights: Mapping[str, Tensor], prefix: str | None = None) -> Match:
    """Find the part of a file that is a network's, whatever its size; shapes are not compared.

    Args:
        name: of a network of the zoo.
        weights: tensors by the file's names.
        prefix: of the part to take; by default the one that fits best.

    Returns:
        The match with the network in its usual form. Parts that fit as well are among its `averages` and
        `rivals`, even if their networks have other sizes.
    """
    usual = _usual_weights(name)
    prefixes = [prefix] if prefix is not None else parts_like(weights, usual)
    matches = [match_weights(weights, usual, prefix=one, by_shape=False) for one in prefixes]
    if len(matches) == 1:
        return matches[0]
    fitting = [match for match in matches if _is_whole(name, match)]
    if not fitting:
        return max(matches, key=lambda match: len(match.weights))
    best = min(fitting, key=lambda match: match.averaging)
    others = [match for match in fitting if match is not best and not _are_equal(match.part, best.part)]
    return dataclasses.replace(
        best,
        averages=tuple(match.prefix for match in others if match.averaging > best.averaging),
        rivals=tuple(match.prefix for match in others if match.averaging == best.averaging),
    )


def nearest_network(weights: Mapping[str, Tensor]) -> str | None:
    """Find the network of the zoo whose names and shapes agree best with the weights.

    Returns:
        Its name; None if not even half of the tensors agree with any.
    """
    agreements = {name: agreement(name, weights) for name in zoo.names()}
    best = max(agreements, key=lambda name: agreements[name])
    return best if agreements[best] > CLOSE_ENOUGH else None


def agreement(name: str, weights: Mapping[str, Tensor]) -> float:
    """Return the share of tensors, of both sides together, that agree in name and shape."""
    part = part_for(name, weights).part
    wanted = _measured_weights(name, part)
    if wanted is None:
        return 0.0
    shapes = {key: value.shape for key, value in wanted.items() if not is_counter(key)}
    found = {key: value.shape for key, value in part.items() if not is_counter(key)}
    return len(shapes.items() & found.items()) / max(len(shapes.keys() | found.keys()), 1)


def shapes_of(name: str, parameters: Mapping[str, Any], source: str) -> dict[str, Tensor]:
    """Give a network's state dict without memory for it.

    Raises:
        CheckpointError: if the parameters, which are those that weights show, are far too large.
    """
    numbers = {key: value for key, value in parameters.items() if type(value) is int}
    widest = max(1, numbers.get("width", 1)) << min(max(0, numbers.get("depth", 0)), MOST_DEPTH)
    for value in (widest, *numbers.values()):
        refuse_above("width", value, f"{source}, as {name},", CheckpointError)
    return dict(_made(name, tuple(parameters.items())))


@cache
def layout_of(name: str) -> tuple[str, ...]:
    """List how the names of a network's weights begin, as regular expressions: one a module."""
    modules = dict.fromkeys(".".join(key.split(".")[:-1][:LAYOUT_PARTS]) for key in _usual_weights(name))
    return tuple(re.escape(f"{module}.") for module in modules)


def _usual_weights(name: str) -> Mapping[str, Tensor]:
    return _made(name, ())


@lru_cache(maxsize=64)
def _made(name: str, parameters: tuple[tuple[str, Any], ...]) -> Mapping[str, Tensor]:
    with without_memory():
        return zoo.create(name, **dict(parameters)).module.state_dict()


def _measured_weights(name: str, part: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Give the state dict, without memory, of the network made to measure; None if it cannot be made."""
    try:
        return shapes_of(name, zoo.read_parameters(name, part), "the weights")
    except CheckpointError:  # no network of any use has them
        return None


def _is_whole(name: str, match: Match) -> bool:
    measured = _measured_weights(name, match.part)
    return measured is not None and all(
        key in match.part and match.part[key].shape == value.shape
        for key, value in measured.items()
        if not key.endswith(NORM_COUNTER)
    )


def _are_equal(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        one[key].shape == other[key].shape and torch.equal(one[key], other[key]) for key in one
    )
