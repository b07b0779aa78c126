"""Options of pages: what a build may be asked, and what a manifest says to the page and of its proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

from edgeseg.engines.flags import flag
from edgeseg.records import Ranged
from edgeseg.spec import THREADS


@dataclass(frozen=True)
class BuildOptions(Ranged):
    """What a build may be asked.

    Attributes:
        runtime: the npm package onnxruntime-web, as a file or unpacked; None fetches it by npm.
    """

    runtime: Path | None = field(
        default=None,
        metadata=flag(
            "the npm package onnxruntime-web, a .tgz or its folder; by default npm fetches it once.",
            attachment="onnxruntime-web.tgz",
        ),
    )


@dataclass(frozen=True)
class EngineOptions(Ranged):
    """What a manifest says of a page, which reads it, too.

    Attributes:
        threads: at most so many; 0 leaves their number to the page.
        proven_in: the browser that ran the page when it was built, by WASM.
    """

    model_file: str = "model.onnx"
    threads: Annotated[int, THREADS] = 0
    proven_in: str = ""

    def remarks(self, device: str) -> list[str]:
        """Say where the page was proven."""
        return [f"proven in {self.proven_in}, by WASM"] if self.proven_in else []

    def next_command(self, folder: Path) -> str:
        """Give what shows the page."""
        return f"python3 -m http.server --directory {folder}, and open http://localhost:8000"
