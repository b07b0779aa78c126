"""Write results as image files: label maps or instance maps in a folder, or one overlay."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import SinkError
from edgeseg.files import Claim, check_writable
from edgeseg.frames.results import InstanceResult, Result, SemanticResult, track_or_none
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sinks.base import Sink, encode_image
from edgeseg.runtime.sinks.written import WrittenList
from edgeseg.spec import ModelSpec

CLASSES_NAME = "classes.json"
INDEX_DIGITS = 6  # frames without a name are called 000000.png, 000001.png, ...
MAX_INSTANCES = int(np.iinfo(np.uint16).max)


class FolderSink(Sink):
    """A folder with one PNG a frame, named as the frame's file or by its index, and `classes.json`.

    Semantic: `NAME.png`, 8 bits, the class id of each pixel (of classes that overlap the likeliest's, and 255
    where there is none). Instance: `NAME.png`, 16 bits, 0 where there is nothing, else the number of the
    object in `NAME.json`, from 1; where objects overlap, the first shows. Tracked objects have `track_id`.
    `classes.json` holds name and RGB colour of every class id. Pages of one file are `NAME-000000.png` and
    so on. Each file is whole or absent. One run writes a folder at a time.

    `maps.sha256` lists what was written. With its first result a run removes what the list of the run before
    it names, unless it was changed since: maps of two runs never mix. Files that are not listed stay.
    """

    def __init__(self, folder: Path, spec: ModelSpec) -> None:
        self.path = folder
        self._spec = spec
        self._stems = {Path(CLASSES_NAME).stem}
        self._has_legend = False
        self._written = WrittenList(folder)
        self.notes: list[str] = []
        self._claim = Claim(folder / CLASSES_NAME)  # on the folder, for all that writes such a one
        check_writable(folder / CLASSES_NAME)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None = None) -> None:
        """Write the files of one frame, with the first one the legend; see `Sink.write`."""
        if not self._has_legend:
            self._begin()
            self._claim.write(legend(self._spec))
            self._has_legend = True
        path = self.path / f"{self._new_stem(frame)}.png"
        if isinstance(result, SemanticResult):
            self._put(path, encode_image(path, result.labels))
            return
        self._put(path, encode_image(path, instance_map(result)))
        self._put(path.with_suffix(".json"), self._objects(result))

    def close(self) -> None:
        """Let other runs write the folder."""
        self._claim.release()

    def _begin(self) -> None:
        removed, others = self._written.begin()
        if removed:
            self.notes.append(f"{removed} files of an earlier run are removed from {self.path}")
        if others:
            self.notes.append(
                f"{self.path} also holds {others} PNG files that no run wrote, or that were changed since"
            )

    def _put(self, path: Path, data: bytes) -> None:
        self._written.add(path.name, data)
        self._claim.write(data, path)

    def _new_stem(self, frame: Frame) -> str:
        """Name a frame's files; a.png and a.jpg of one folder become a and a.jpg."""
        if frame.name is None:
            return f"{frame.index:0{INDEX_DIGITS}d}"
        page = "" if frame.page is None else f"-{frame.page:0{INDEX_DIGITS}d}"
        stem = Path(frame.name).stem + page
        if stem in self._stems:
            stem = frame.name + page
        self._stems.add(stem)
        return stem

    def _objects(self, result: InstanceResult) -> bytes:
        objects: list[dict[str, Any]] = [
            {
                "id": number,
                "class_id": int(class_id),
                "name": self._spec.class_names[class_id],
                "score": round(float(score), 6),
                "box_xyxy": [round(float(side), 3) for side in box],
            }
            for number, (box, score, class_id) in enumerate(
                zip(result.boxes, result.scores, result.class_ids, strict=True), start=1
            )
        ]
        if result.track_ids is not None:
            for item, track_id in zip(objects, result.track_ids, strict=True):
                item["track_id"] = track_or_none(track_id)
        return (json.dumps(objects, indent=1) + "\n").encode()


class ImageSink(Sink):
    """One overlay as an image file; a second frame is an error."""

    needs_overlay = True

    def __init__(self, path: Path) -> None:
        self.path = path
        self._written = False
        self._claim = Claim(path)

    def write(self, frame: Frame, result: Result, overlay: NDArray[np.uint8] | None) -> None:
        """Write the overlay; see `Sink.write`."""
        if self._written:
            raise SinkError(
                f"{self.path} takes one image and the source has more; write to a folder or an .mp4, "
                "or stop after one with --frames 1"
            )
        if overlay is None:
            raise ValueError("ImageSink.write needs the overlay")
        self._claim.write(encode_image(self.path, overlay))
        self._written = True

    def close(self) -> None:
        """Let other runs write the file."""
        self._claim.release()


def legend(spec: ModelSpec) -> bytes:
    """Write the name and the RGB colour of every class id as JSON."""
    classes = zip(spec.class_names, spec.palette_rgb, strict=True)
    values = [
        {"class_id": class_id, "name": name, "colour_rgb": list(colour)}
        for class_id, (name, colour) in enumerate(classes)
    ]
    return (json.dumps(values, indent=1) + "\n").encode()


def instance_map(result: InstanceResult) -> NDArray[np.uint16]:
    """Number the pixels (H, W) by object, from 1 in the result's order; the first shows on top."""
    numbers = np.zeros(result.frame_hw, np.uint16)
    crops = result.crops()[:MAX_INSTANCES]
    for index in range(len(crops) - 1, -1, -1):
        numbers[crops[index].window][crops[index].mask] = index + 1
    return numbers
