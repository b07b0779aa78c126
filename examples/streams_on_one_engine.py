"""Watch several cameras or videos with one engine, which is loaded once and shared.

    python examples/streams_on_one_engine.py ENGINE north.mp4 south.mp4

Each stream has a Segmenter of its own: that is light, and holds what belongs to one stream. They get fair
shares of the engine; where its graph takes batches, frames of several streams fill one.
"""

from __future__ import annotations

import argparse

import numpy as np

from edgeseg.runtime import Engine, Segmenter, Stream, Streams


def main() -> None:
    """Read the command line, watch all sources at once, and say what was seen in each."""
    parser = argparse.ArgumentParser(description="Segment several sources with one engine.")
    parser.add_argument("engine", help="an engine with labels, made by edgeseg build")
    parser.add_argument("sources", nargs="+", help="what edgeseg run takes")
    arguments = parser.parse_args()

    seen: dict[str, set[int]] = {source: set() for source in arguments.sources}
    with Engine.open(arguments.engine) as engine, Streams(engine) as streams:
        for source, classes in seen.items():
            look = lambda _, result, classes=classes: classes.update(np.unique(result.labels))  # noqa: E731
            streams.add(Stream(source, source, Segmenter(engine), on_result=look))
        streams.wait()
        for status in streams.status():
            names = sorted(engine.spec.class_names[class_id] for class_id in seen[status.name])
            print(
                f"{status.name}: {status.results} frames, {status.fps:.0f} a second, "
                f"with {', '.join(names)} {status.error}".rstrip()
            )


if __name__ == "__main__":
    main()
