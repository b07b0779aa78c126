"""Turn the weights of a file into those of a network: find the part of all names that is this network's.

Training wraps networks: `model.module.inc.weight`, beside `criterion.weight` and `teacher.inc.weight`; and a
user wraps a given network the other way, `self.net = net`. So one prefix is taken off the file's names, and
one is put before them, such that most of the names that the network wants are found; where names tie, shapes
decide, and then a moving average gives way to the weights themselves.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from edgeseg.models.checkpoints.weight_names import is_average, is_counter, serves_training, spelled

DEEPEST_PREFIX = 8  # parts; wrappers are two or three deep
COPY = 0.5  # share of the wanted names that another part of the file must have to be a copy of the network


@dataclass(frozen=True)
class Match:
    """What a file holds of a network.

    Attributes:
        weights: by the network's own names, as many as were found.
        part: all that lies under `prefix`, without it, in the network's spelling where that is known.
        prefix: taken off the file's names.
        averaging: parts of it that mean a moving average.
        added: put before them then.
        further: names in the file that look like layers of the network which it does not have.
        strays: the other names that are not used; counters of updates are not among them.
        averages: prefixes that fit as well, but hold a moving average.
        rivals: prefixes that fit as well and hold other values.
    """

    weights: dict[str, Tensor]
    part: dict[str, Tensor]
    prefix: str
    averaging: int
    added: str
    further: tuple[str, ...]
    strays: tuple[str, ...]
    averages: tuple[str, ...]
    rivals: tuple[str, ...]


@dataclass(frozen=True)
class _Candidate:
    prefix: str
    added: str
    names: dict[str, str]  # the file's, by the network's
    shapes: int  # that agree

    def rank(self) -> tuple[int, int, int, int, int]:
        literal = sum(
            own.removeprefix(self.added) == name.removeprefix(self.prefix) for own, name in self.names.items()
        )
        length = len(self.prefix) + len(self.added)
        return len(self.names), self.shapes, -self.averages(), literal, -length

    def averages(self) -> int:
        return sum(is_average(part) for part in self.prefix.split("."))


def match_weights(
    weights: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    *,
    prefix: str | None = None,
    by_shape: bool = True,
) -> Match:
    """Find a network's weights among those of a file.

    Args:
        weights: tensors by the file's names.
        wanted: the network's state dict.
        prefix: take this part of the file, such as `student.`, which must be there; by default the one that
            fits best.
        by_shape: whether shapes decide where names tie; not before the network is made to measure.
    """
    candidates = _candidates(weights, wanted, by_shape)
    choice = [one for one in candidates if prefix in (None, one.prefix)]
    best = max(choice, key=_Candidate.rank)
    as_good = {
        tuple(one.names.values()): one  # the same names may be had in several ways
        for one in sorted(choice, key=_Candidate.rank)
        if (len(one.names), one.shapes) == (len(best.names), best.shapes) and _differ(one, best, weights)
    }.values()
    own = _under(best.added, wanted)
    part = {
        spelled(name.removeprefix(best.prefix), own): tensor
        for name, tensor in weights.items()
        if name.startswith(best.prefix)
    }
    copies = {
        name for one in candidates if len(one.names) >= COPY * len(wanted) for name in one.names.values()
    }
    used = set(best.names.values())
    names = {**{name: name for name in wanted if name in weights and name not in used}, **best.names}
    used.update(names.values())
    left = [name for name in weights if name not in used and not is_counter(name)]
    further = _further([name for name in left if name not in copies], weights, wanted, best)
    return Match(
        weights={name: weights[theirs] for name, theirs in names.items()},
        part=part,
        prefix=best.prefix,
        averaging=best.averages(),
        added=best.added,
        further=tuple(further),
        strays=tuple(name for name in left if name not in further),
        averages=tuple(one.prefix for one in as_good if one.averages() > best.averages()),
        rivals=tuple(one.prefix for one in as_good if one.averages() == best.averages()),
    )


def parts_like(weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """List the prefixes under which a file has at least half as many of a network's names as at best."""
    candidates = sorted(_candidates(weights, wanted, by_shape=False), key=_Candidate.rank, reverse=True)
    least = max(COPY * len(candidates[0].names), 1)
    parts: dict[frozenset[str], str] = {}
    for one in candidates:
        names = frozenset(one.names.values())
        if len(names) >= least and not any(names <= part for part in parts):  # one part, in several ways
            parts[names] = one.prefix
    return list(parts.values()) or [""]


def _candidates(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], by_shape: bool
) -> list[_Candidate]:
    """Try every prefix of the file's names, with every one that most of the network's names have."""
    groups: dict[str, list[str]] = {"": list(weights)}
    for name in weights:
        for before in _prefixes(name):
            groups.setdefault(before, []).append(name)
    candidates = []
    for added in _main_prefixes(wanted):
        own = _under(added, wanted)
        has_bare_names = any("." not in name for name in own)
        for before, theirs in groups.items():
            if before and added and has_bare_names:
                continue  # every layer has a `weight`: names without their module say nothing
            names: dict[str, str] = {}
            for name in theirs:
                own_name = spelled(name.removeprefix(before), own)
                if own_name in own:
                    names.setdefault(added + own_name, name)
            shapes = (
                sum(weights[name].shape == wanted[own].shape for own, name in names.items())
                if by_shape
                else 0
            )
            candidates.append(_Candidate(before, added, names, shapes))
    return candidates


def _prefixes(name: str) -> list[str]:
    """List what may stand before a name: `a.` and `a.b.` of `a.b.c`."""
    parts = name.split(".")[:-1][:DEEPEST_PREFIX]
    return [".".join(parts[: count + 1]) + "." for count in range(len(parts))]


def _main_prefixes(wanted: Iterable[str]) -> list[str]:
    """List the prefixes of most of a network's names, the empty one first."""
    wanted = list(wanted)
    counts = Counter(before for name in wanted for before in _prefixes(name))
    return ["", *(before for before, count in counts.items() if count > len(wanted) / 2)]


def _under(prefix: str, wanted: Iterable[str]) -> dict[str, None]:
    """List the names under a prefix, without it."""
    return {name.removeprefix(prefix): None for name in wanted if name.startswith(prefix)}


def _differ(one: _Candidate, other: _Candidate, weights: Mapping[str, Tensor]) -> bool:
    """Tell whether two candidates would load other values."""
    return any(
        name != other.names.get(own)
        and (own not in other.names or not _equal(weights[name], weights[other.names[own]]))
        for own, name in one.names.items()
    )


def _equal(one: Tensor, other: Tensor) -> bool:
    return (
        one.shape == other.shape
        and one.device == other.device
        and not one.is_meta
        and torch.equal(one, other)
    )


def _further(
    left: Iterable[str], weights: Mapping[str, Tensor], wanted: Iterable[str], best: _Candidate
) -> dict[str, None]:
    """Find among unused names the layers of a network of the same kind: the file is then another one's.

    They are what lies within a module of the network, or beside its modules under their name with another
    number (a fifth `down`), unless the name says that it serves training or is an average. All else beside
    the modules, such as a projection that was trained along, is none; nor are numbers that are no floats.
    """
    own = _under(best.added, wanted)
    modules = {name.partition(".")[0] for name in own if "." in name}
    numbered = {_number_free(name) for name in modules}
    further: dict[str, None] = {}
    for name in left:
        rest = name.removeprefix(best.prefix)
        if not name.startswith(best.prefix) or serves_training(rest) or not weights[name].is_floating_point():
            continue
        first = rest.partition(".")[0]
        if first in modules or (_number_free(first) in numbered and not is_average(first)):
            further[name] = None
    return further


def _number_free(name: str) -> str:
    return re.sub(r"\d+", "", name)
