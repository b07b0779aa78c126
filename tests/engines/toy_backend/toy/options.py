"""Options of the toy: what a build may be asked, and what a manifest says."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from edgeseg.engines.flags import flag
from edgeseg.records import Range, Ranged

LOUDNESS = Range(1, 9)


@dataclass(frozen=True)
class BuildOptions(Ranged):
    """What a build may be asked."""

    volume: Annotated[int, LOUDNESS] = field(default=1, metadata=flag("how loud.", name="--loudness"))
    song: Path | None = field(default=None, metadata=flag("a text to sing.", attachment="song.txt"))


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says."""

    model_file: str = "toy.onnx"
    volume: Annotated[int, LOUDNESS] = 1
    song: str = ""

    def remarks(self, device: str) -> list[str]:
        """Say how loud it is."""
        return [f"it plays at volume {self.volume} on the {device}"]
