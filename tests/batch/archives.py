"""Small archives: pictures, a video of several groups of pictures, files that are broken."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

from edgeseg.batch.parts import PARTS

FPS = 10
WIDTH, HEIGHT = 64, 48


def write_pictures(folder: Path, count: int, first: int = 0) -> None:
    """Write pictures `NUMBER.png`, each with a bright rectangle of its own size."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        image[4:20, 4 : 8 + number % 50] = 250
        cv2.imwrite(str(folder / f"{number}.png"), image)


def write_video(path: Path, frames: int, key_every: int, codec: str = "libx264", **options: str) -> None:
    """Write a video in which a bright bar grows, with pictures that are shown before others they need."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.gop_size = key_every
        stream.options = options
        for number in range(frames):
            image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
            image[:, : 1 + number % WIDTH] = 250
            frame = av.VideoFrame.from_ndarray(image, "bgr24")
            frame.pts, frame.time_base = number, Fraction(1, FPS)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def rows_of(output: Path) -> list[dict[str, Any]]:
    """Read the table of results, by source and frame."""
    import pyarrow.dataset

    rows = pyarrow.dataset.dataset(output / PARTS).to_table().to_pylist()
    return sorted(rows, key=lambda row: (row["source"], -1 if row["index"] is None else row["index"]))


def bytes_of(output: Path) -> Mapping[str, bytes]:
    """Read all that does not tell times."""
    files = (path for path in output.rglob("*") if path.is_file() and path.parent.name != "times")
    return {str(path.relative_to(output)): path.read_bytes() for path in files}
