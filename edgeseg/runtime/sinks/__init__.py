"""Turn what a user calls an output into a sink: a file, a folder, a broker or a web server."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from edgeseg.errors import UsageError
from edgeseg.frames.results import Result
from edgeseg.runtime.sinks.addresses import check_address, is_address, open_address
from edgeseg.runtime.sinks.amounts import Amount
from edgeseg.runtime.sinks.base import Sink
from edgeseg.runtime.sinks.broadcast import HlsSink
from edgeseg.runtime.sinks.coco import CocoSink
from edgeseg.runtime.sinks.encoder import DEFAULT_FPS, VideoTiming
from edgeseg.runtime.sinks.images import FolderSink, ImageSink
from edgeseg.runtime.sinks.jsonlines import JsonLinesSink
from edgeseg.runtime.sinks.parts import PartsSink
from edgeseg.runtime.sinks.video import VideoSink
from edgeseg.runtime.sources.base import Source
from edgeseg.spec import ModelSpec

__all__ = [
    "CocoSink",
    "FolderSink",
    "HlsSink",
    "ImageSink",
    "JsonLinesSink",
    "PartsSink",
    "Result",
    "Sink",
    "VideoSink",
    "check_outputs",
    "open_sink",
    "takes_one_image",
]

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
OVERLAYS = (".mp4", ".m3u8", *IMAGE_SUFFIXES)
FILE_SUFFIXES = (".mp4", ".m3u8", ".jsonl", ".json", *IMAGE_SUFFIXES)


def open_sink(
    text: str | os.PathLike[str],
    spec: ModelSpec,
    source: Source,
    *,
    rotate: Amount | None = None,
    keep: Amount | None = None,
    spared: Collection[Path] = (),
    beside: bool = False,
) -> Sink:
    """Open a sink for the results of a source.

    Args:
        text: a path that ends in `.mp4` or `.m3u8` (overlays as video), `.jsonl` (one object a frame),
            `.json` (COCO results), `.png` or `.jpg` (the overlay of one image), or a folder (label maps): one
            that exists, or a path that ends in `/` or has no suffix; or an address, `mqtt[s]://...` or
            `http[s]://...` (a message a result), `rtsp://...`, `rtmp[s]://...`, `srt://...` or `udp://...`
            (overlays as video).
        rotate: how much a part of an `.mp4` or a `.jsonl` holds; None: all, or a tenth of `keep`.
        keep: how much is kept of all parts; None: all.
        spared: files that are read beside those of `source`; `keep` removes none.
        beside: the same run has written to the path before: a file stays, and what follows goes into parts
            beside it.

    Raises:
        UsageError: as `check_outputs`, and for overlays where frames are no pictures.
        SinkError: if it cannot be written.
        MissingExtraError: if what an address takes is not installed.
    """
    check_outputs([text], source)
    if is_address(text):
        return open_address(os.fspath(text), spec, _timing(source))
    path, suffix = Path(text), _suffix_of(text)
    if suffix in OVERLAYS and not spec.input.takes_camera_frames:
        raise UsageError(
            f"{path}: overlays are drawn over a camera's pictures, this network takes {spec.input.channels} "
            f"channels of {spec.input.dtype}; write label maps (a folder), .jsonl or COCO .json"
        )
    spared = (*spared, *source.files)
    part = keep.part() if rotate is None and keep is not None else rotate
    if suffix == ".mp4":
        return _open_video(path, source, rotate=part, keep=keep, spared=spared, beside=beside)
    if suffix == ".jsonl" and (beside or part is not None):
        return PartsSink(
            path,
            lambda place: JsonLinesSink(place, spec),
            rotate=part,
            keep=keep,
            live=source.live,
            spared=spared,
            beside=beside,
        )
    if suffix == ".jsonl":
        return JsonLinesSink(path, spec)
    if suffix == ".json":
        return PartsSink(path, CocoSink, live=source.live, beside=True) if beside else CocoSink(path)
    if suffix == ".m3u8":
        return HlsSink(path, _timing(source))
    return ImageSink(path) if suffix else FolderSink(path, spec)


def _timing(source: Source) -> VideoTiming:
    return VideoTiming(source.fps or DEFAULT_FPS, source.live, source.pixel_aspect)


def _open_video(
    path: Path,
    source: Source,
    *,
    rotate: Amount | None,
    keep: Amount | None,
    spared: Collection[Path],
    beside: bool,
) -> Sink:
    """Open a video; in parts where it is cut, or where it must go on after a failure."""

    def opened(place: Path) -> VideoSink:
        return VideoSink(place, fps=source.fps, live=source.live, pixel_aspect=source.pixel_aspect)

    video: VideoSink | PartsSink
    if rotate is None and not source.live and not beside:
        video = opened(path)
    else:
        video = PartsSink(
            path,
            opened,
            rotate=rotate,
            keep=keep,
            live=source.live,
            needs_overlay=True,
            spared=spared,
            beside=beside,
        )
    if source.has_sound:
        video.notes = [f"the sound of {source.name} is not carried over to {path}"]
    return video


def check_outputs(
    texts: Sequence[str | os.PathLike[str]], source: Source, *, engine: Path | None = None
) -> None:
    """Look at all outputs of a run before the first of them is opened.

    Args:
        engine: the folder of the engine that runs.

    Raises:
        UsageError: if one is empty, is a malformed address, has a suffix that no sink has, is given twice, is
            a file that `source` reads, is a folder of label maps in which such a file lies, or is within the
            engine.
    """
    files = {file.resolve() for file in source.files}
    folders = {file.parent.resolve() for file in (*source.files, *files)}  # those of links, and of their aims
    taken: set[Path] = set()
    addresses: set[str] = set()
    for text in texts:
        if is_address(text):
            name = check_address(os.fspath(text))
            if os.fspath(text) in addresses:
                raise UsageError(f"-o {name} is given twice; give each output an address of its own")
            addresses.add(os.fspath(text))
            continue
        _suffix_of(text)
        path, place = Path(text), Path(text).resolve()
        if place in taken:
            raise UsageError(f"-o {path} is given twice; give each output a path of its own")
        if engine is not None and engine.resolve() in (place, *place.parents):
            raise UsageError(
                f"-o {path} lies within the engine {engine}, which stays as built; choose another -o"
            )
        if place in files:
            raise UsageError(f"-o {path} is read by this run and would be overwritten; choose another -o")
        if place in folders:
            raise UsageError(
                f"-o {path} holds what this run reads, and label maps could overwrite it; use a folder of "
                f"their own, such as -o {path / 'labels'}"
            )
        taken.add(place)


def takes_one_image(text: str | os.PathLike[str]) -> bool:
    """Whether an output is the picture of one frame. Raises UsageError if it is no output."""
    return not is_address(text) and _suffix_of(text) in IMAGE_SUFFIXES


def _suffix_of(text: str | os.PathLike[str]) -> str:
    """Return what tells the kind of output: a suffix in lower case, or nothing for a folder."""
    if not os.fspath(text):
        raise UsageError("-o is empty; is a shell variable unset? The working folder is written -o .")
    path = Path(text)
    suffix = path.suffix.lower()
    if path.is_dir() or os.fspath(text).endswith(("/", os.sep)) or not suffix:
        return ""
    if suffix in FILE_SUFFIXES:
        return suffix
    raise UsageError(
        f"-o {path}: {suffix} is no kind of output; use .mp4, .m3u8, .jsonl, .json, .png or .jpg for one "
        f"image, or a folder ({path}/)"
    )
