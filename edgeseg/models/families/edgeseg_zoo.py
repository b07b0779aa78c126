"""The zoo as a family: networks of edgeseg's own, which a name makes to the measure of their weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from torch import Tensor

from edgeseg.models import zoo
from edgeseg.models.checkpoints.checkpoint import Checkpoint
from edgeseg.models.checkpoints.loading import fitted_network
from edgeseg.models.checkpoints.nearest import agreement, layout_of, part_for
from edgeseg.models.families.family import Recognised, Source
from edgeseg.models.network import Network

WHOLE = 0.9  # of all names and shapes of both sides; less, and it is another network


class EdgesegZoo:
    """Networks by the zoo's names."""

    name = "edgeseg"
    extra = None

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        """The modules of each network."""
        return {name: layout_of(name) for name in zoo.names()}

    def recognise(self, source: Source) -> Recognised | None:
        """Tell which network of the zoo has these names and shapes."""
        found = {name: agreement(name, source.weights) for name in zoo.names()}
        best = max(found, key=lambda name: found[name])
        if found[best] < WHOLE:
            return None
        parameters = zoo.read_parameters(best, part_for(best, source.weights).part, sha256=source.sha256)
        classes: int | None = parameters.get("num_classes")
        return Recognised(self.name, best, "likely", num_classes=classes, parameters=parameters)

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network of that name to the measure of its weights."""
        weights: dict[str, Tensor] = dict(source.weights)
        checkpoint = Checkpoint(source.path, source.sha256, weights, "", False, anchors=source.anchors)
        network, loaded = fitted_network(recognised.architecture, checkpoint, **arguments)
        return dataclasses.replace(network, notes=loaded.notes)
