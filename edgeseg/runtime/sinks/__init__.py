"""Turn what a user calls an output into a sink: `.mp4`, `.jsonl`, a folder, or one image."""

from __future__ import annotations

import os
from pathlib import Path

from edgeseg.errors import SinkError, UsageError
from edgeseg.runtime.sinks.base import Result, Sink
from edgeseg.runtime.sinks.images import FolderSink, ImageSink
from edgeseg.runtime.sinks.jsonlines import JsonLinesSink
from edgeseg.runtime.sinks.video import VideoSink
from edgeseg.runtime.sources.base import Source
from edgeseg.spec import ModelSpec

__all__ = ["FolderSink", "ImageSink", "JsonLinesSink", "Result", "Sink", "VideoSink", "open_sink"]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")


def open_sink(text: str | os.PathLike[str], spec: ModelSpec, source: Source) -> Sink:
    """Open a sink for the results of a source.

    Args:
        text: a path that ends in `.mp4` (overlays as video), `.jsonl` (one object a frame), `.png` or `.jpg`
            (the overlay of one image), or a folder (label maps): one that exists, or a path that ends in
            `/` or has no suffix.

    Raises:
        UsageError: for any other suffix.
        SinkError: if it cannot be written, or would overwrite what `source` reads.
    """
    path = Path(text)
    if source.path is not None and path.resolve() == source.path.resolve():
        raise SinkError(f"{path} is the source itself, which would be overwritten; choose another -o")
    suffix = path.suffix.lower()
    if path.is_dir() or os.fspath(text).endswith(("/", os.sep)) or not suffix:
        return FolderSink(path, spec)
    if suffix == ".mp4":
        return VideoSink(path, fps=source.fps, live=source.live)
    if suffix == ".jsonl":
        return JsonLinesSink(path, spec)
    if suffix in IMAGE_SUFFIXES:
        return ImageSink(path)
    raise UsageError(
        f"-o {path}: {suffix} is no kind of output; use .mp4, .jsonl, .png or .jpg for one image, or a "
        f"folder ({path}/)"
    )
