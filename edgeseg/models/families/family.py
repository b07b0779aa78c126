"""What a family is: a training library whose checkpoints are recognised, and whose networks can be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

from torch import Tensor

from edgeseg.models.network import Network

Sureness = Literal["certain", "likely", "guessed"]
"""`certain`: a file says so, or names and shapes leave no choice. `likely`: nothing else is known that looks
like this. `guessed`: others look the same."""


@dataclass(frozen=True)
class Source:
    """What lies on disk, read once; nothing of it is run.

    Attributes:
        path: file or folder that holds the weights.
        weights: tensors by name, what wrappers put before the names taken off, on the CPU, in the file's
            own dtypes.
        configs: parsed contents, by name: JSON and YAML files beside the weights (`config.json`), and the
            plain values of each entry beside the weights in their own file (`meta`, `hyper_parameters`).
        sha256: of the file of weights, or of the shards together.
        notes: what a user should know of the reading.
        anchors: of a detector, as far as they are stored beside the weights; see `detector_anchors.py`.
    """

    path: Path
    weights: Mapping[str, Tensor]
    configs: Mapping[str, Any] = field(default_factory=dict)
    sha256: str = ""
    notes: tuple[str, ...] = ()
    anchors: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Recognised:
    """What a family reads out of a source, without importing its library.

    Attributes:
        family: its name.
        architecture: in the library's own spelling, such as `Unet`.
        sure: how sure family and architecture are.
        backbone: in the library's own spelling, such as `resnet34`.
        num_classes: as the family counts them; with the background where it counts that.
        parameters: with which the library makes the network.
        said: for a field of `Network`, who says its value, in words that a user reads: `config.json`.
        unknown: what cannot be known, and is assumed, a sentence each; every one becomes a note.
    """

    family: str
    architecture: str
    sure: Sureness
    backbone: str | None = None
    num_classes: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)
    unknown: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """Name what was recognised as MODEL of the command line does."""
        return f"{self.family}:{self.architecture}"


class Family(Protocol):
    """A training library, in a file or a folder of its own; listed in `registry.py`."""

    @property
    def name(self) -> str:
        """As MODEL of the command line names it: `smp`."""

    @property
    def extra(self) -> str | None:
        """Of edgeseg, which brings the library; None if none is needed."""

    @property
    def layouts(self) -> Mapping[str, tuple[str, ...]]:
        r"""For each architecture, how its weights are called: regular expressions that names begin with.

        Such as `encoder\.`, `decoder\.blocks\.\d+\.conv1\.`: every name should begin with one of them, and
        every one should begin a name. They serve hints about weights that no family recognises.
        """

    def recognise(self, source: Source) -> Recognised | None:
        """Tell what the weights are; None if they are none of this family's.

        Raises:
            CheckpointError: if they are this family's, but cannot be used, with the fix.
        """

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        """Make the network, with its weights, in evaluation mode; its `notes` say what was left out.

        Args:
            source: of the weights.
            recognised: by `recognise`; bare but for the architecture where the user named another one.
            arguments: that the user gave: of the library's own function, over what was recognised, and
                `num_classes`.

        Raises:
            CheckpointError: if the weights do not fit.
            MissingExtraError: if the family's library is not installed.
            UsageError: if the arguments are none of the architecture's.
        """
