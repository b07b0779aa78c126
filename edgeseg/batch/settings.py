"""What a batch is asked for: the engine, how its results are made, and what is kept of them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from edgeseg.errors import EngineError
from edgeseg.manifest import MANIFEST_NAME, read_manifest
from edgeseg.reading import read_text
from edgeseg.records import to_json_value
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.tiles.tiling import Tiling

RESULTS_VERSION = 2  # of the rows and of what their parts are named by


@dataclass(frozen=True)
class BatchSettings:
    """How each process opens the engine, and what it writes besides the tables.

    Attributes:
        engine: a folder that `edgeseg build` made.
        device: where it runs; None stands for where it was built for.
        threads: of each process's inferences.
        score_threshold: of instances; None stands for the engine's.
        crf: refine labels, or masks.
        tiles: how frames larger than the network's input are cut; None stands for resizing them.
        label_maps: write a PNG a frame; see `FolderSink` for what is in it.
        overlays: write a JPEG a frame.
        image: which picture of a shard's sample is taken, by its extension in a tar file, by its column in a
            Parquet file; None stands for all in a tar file, for the only column in a Parquet file.
    """

    engine: Path
    device: str | None = None
    threads: int | None = 1
    score_threshold: float | None = None
    crf: bool = False
    tiles: Tiling | None = None
    label_maps: bool = False
    overlays: bool = False
    image: str | None = None

    def open(self) -> Segmenter:
        """Open the engine; raises as `Segmenter.open`."""
        return Segmenter.open(
            self.engine,
            device=self.device,
            threads=self.threads,
            score_threshold=self.score_threshold,
            crf=self.crf,
            tiles=self.tiles,
        )

    def digest(self) -> str:
        """Give a sha256 of all that results depend on: what the engine is, and how it is used.

        Where it runs, and with how many threads, is no part of it; nor are limits, whose refusals are done
        again anyway.

        Raises:
            EngineError: if there is no engine.
        """
        read_manifest(self.engine)  # which says what is wrong with what is no engine
        how = {
            "version": RESULTS_VERSION,
            "engine": read_text(self.engine / MANIFEST_NAME, EngineError),
            "score_threshold": self.score_threshold,
            "crf": self.crf,
            "tiles": to_json_value(self.tiles),
            "label_maps": self.label_maps,
            "overlays": self.overlays,
        }
        return hashlib.sha256(json.dumps(how, sort_keys=True).encode()).hexdigest()
