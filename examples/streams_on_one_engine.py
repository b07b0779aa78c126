"""Watch several cameras or videos with one engine, which is loaded once and shared.

    python examples/streams_on_one_engine.py ENGINE north.mp4 south.mp4

A thread a stream, each with a Segmenter of its own: that is light, and holds what belongs to one stream. The
Engine may be shared by all of them; where its graph takes batches, frames that come together fill one.
"""

from __future__ import annotations

import argparse
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from edgeseg.runtime import Engine, Segmenter, stream


def watch(engine: Engine, source: str) -> str:
    """Segment a source to its end; say what was seen in it."""
    with Segmenter(engine) as segment:
        names, seen, frames = segment.spec.class_names, set(), 0
        begin_s = time.monotonic()
        for _, result in stream(source, segment):
            seen.update(names[class_id] for class_id in np.unique(result.labels))
            frames += 1
    fps = frames / (time.monotonic() - begin_s)
    return f"{source}: {frames} frames, {fps:.0f} a second, with {', '.join(sorted(seen))}"


def main() -> None:
    """Read the command line and watch all sources at once."""
    parser = argparse.ArgumentParser(description="Segment several sources with one engine.")
    parser.add_argument("engine", help="an engine with labels, made by edgeseg build")
    parser.add_argument("sources", nargs="+", help="what edgeseg run takes")
    arguments = parser.parse_args()

    with Engine.open(arguments.engine) as engine, ThreadPoolExecutor(len(arguments.sources)) as threads:
        for line in threads.map(lambda source: watch(engine, source), arguments.sources):
            print(line)


if __name__ == "__main__":
    main()
