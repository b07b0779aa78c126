"""Turn what is asked of one stream into its segmenter, and of its outputs into amounts."""

from __future__ import annotations

from edgeseg.runtime.engine import Engine
from edgeseg.runtime.segmenter import Segmenter, refinement_of
from edgeseg.runtime.settings import StreamSettings
from edgeseg.runtime.sinks.amounts import Amount, parse_amount
from edgeseg.runtime.tiles.tiling import tiling_of


def segmenter_of(settings: StreamSettings, engine: Engine) -> Segmenter:
    """Make the segmenter of a stream, on an engine that it shares with others.

    Raises:
        UsageError: if what is asked does not fit the engine.
    """
    spec, refinement = engine.spec, None
    if settings.crf:
        refinement = refinement_of(spec, spec.crf, threads=settings.crf_threads)
    return Segmenter(
        engine,
        score_threshold=settings.score_threshold,
        refinement=refinement,
        tiles=tiling_of(settings.tiles, settings.tile_overlap),
    )


def amount(text: str | None, name: str) -> Amount | None:
    """Read how much of something: a time, a size, or both. Raises UsageError, which calls it `name`."""
    return None if text is None else parse_amount(text, name)
