"""Turn a source of weights and MODEL, `auto` or a family's, into the network that is exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from edgeseg.errors import one_line
from edgeseg.models import zoo
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.families.registry import AUTO, by_name, family_of, named
from edgeseg.models.families.settings_form import read_as_written_by
from edgeseg.models.network import Network
from edgeseg.models.network_name import split_name


@dataclass(frozen=True)
class FamilyNetwork:
    """A network of a family, with its weights.

    Attributes:
        network: in evaluation mode, on the CPU; `said` names who says its preprocessing.
        name: for the record: MODEL that makes the same without recognising.
        recognised: what the weights are.
        notes: what a user should know: what was recognised, left out, or assumed.
    """

    network: Network
    name: str
    recognised: Recognised
    notes: tuple[str, ...]


def is_of_family(place: str) -> bool:
    """Tell whether MODEL, without its arguments, is `auto` or names a family; the zoo's names come first."""
    return place not in zoo.names() and family_of(place) is not None


def open_source(model: str, source: Source, *, num_classes: int | None = None) -> FamilyNetwork:
    """Recognise weights, or take them for what the user says, and make their network.

    Args:
        model: `auto`, `FAMILY` or `FAMILY:Architecture`, with arguments as `split_name` reads them.
        source: of the weights.
        num_classes: over those that are read from the weights.

    Raises:
        CheckpointError: if nothing is recognised, or the weights do not fit.
        MissingExtraError: if the family's library is not installed.
        UsageError: if MODEL or its arguments are none of the family's.
    """
    place, arguments = split_name(model)
    recognised = by_name(place, source)
    given = dict(arguments) if num_classes is None else {**arguments, "num_classes": num_classes}
    opened = open_recognised(source, recognised, given)
    name = recognised.model + (f"?{urlencode(arguments)}" if arguments else "")
    return replace(opened, name=name, notes=(*_recognised_note(place, recognised), *opened.notes))


def open_recognised(source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> FamilyNetwork:
    """Make the network of weights that were recognised; arguments and errors are those of `Family.make`."""
    with read_as_written_by(recognised.family, source):
        network = named(recognised.family).make(source, recognised, arguments)
    network = replace(network, said={**recognised.said, **network.said})
    notes = tuple(map(one_line, (*source.notes, *network.notes, *recognised.unknown)))
    return FamilyNetwork(network, recognised.model, recognised, notes)


def _recognised_note(place: str, recognised: Recognised) -> tuple[str, ...]:
    if place != AUTO and ":" in place:
        return ()
    backbone = f" with {recognised.backbone}" if recognised.backbone else ""
    classes = f", {recognised.num_classes} classes" if recognised.num_classes is not None else ""
    hint = "" if recognised.sure == "certain" else "; edgeseg inspect says more"
    return (f"recognised as {recognised.model}{backbone}{classes} ({recognised.sure}){hint}",)
