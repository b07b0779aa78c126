"""Small archives: pictures, shards of them, a video of several groups of pictures, files that are broken."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from edgeseg.batch.parts import PARTS

FPS = 10
WIDTH, HEIGHT = 64, 48


def write_pictures(folder: Path, count: int, first: int = 0) -> None:
    """Write pictures `NUMBER.png`, each with a bright rectangle of its own size."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(first, first + count):
        (folder / f"{number}.png").write_bytes(picture(number))


@contextmanager
def _policy_kept() -> Iterator[None]:
    """Give this thread back how it is scheduled: SVT-AV1 makes it a real-time one, where it may."""
    if not hasattr(os, "sched_getscheduler"):
        yield
        return
    before = os.sched_getscheduler(0), os.sched_getparam(0)
    try:
        yield
    finally:
        os.sched_setscheduler(0, *before)


def write_video(
    path: Path,
    frames: int,
    key_every: int,
    codec: str = "libx264",
    container_options: Mapping[str, str] | None = None,
    **options: str,
) -> None:
    """Write a video in which a bright bar grows, with pictures that are shown before others they need."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with _policy_kept(), av.open(str(path), "w", options=dict(container_options or {})) as container:
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


def picture(number: int) -> bytes:
    """Give the file of picture NUMBER, as `write_pictures` writes it."""
    return cv2.imencode(".png", image_of(number))[1].tobytes()


def image_of(number: int) -> NDArray[np.uint8]:
    """Draw picture NUMBER: a bright rectangle of its own size."""
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    image[4:20, 4 : 8 + number % 50] = 250
    return image


def write_tar(path: Path, members: Mapping[str, bytes]) -> None:
    """Write a tar file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            one = tarfile.TarInfo(name)
            one.size = len(data)
            tar.addfile(one, io.BytesIO(data))


def samples(count: int) -> dict[str, bytes]:
    """Give the members of a shard as WebDataset writes it: a picture and its class by the same name."""
    members = {}
    for number in range(count):
        members[f"{number:06d}.png"] = picture(number)
        members[f"{number:06d}.cls"] = b"1"
    return members


def write_parquet(path: Path, cells: Sequence[Any], rows_a_group: int = 10, **columns: Sequence[Any]) -> None:
    """Write a Parquet file with a column `image` of these cells."""
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    table = pyarrow.table({"label": list(range(len(cells))), "image": cells, **columns})
    parquet.write_table(table, path, row_group_size=rows_a_group)


def write_columns(path: Path, *columns: tuple[str, Sequence[Any]]) -> None:
    """Write a Parquet file of columns, whose names may be the same."""
    import pyarrow
    from pyarrow import parquet

    cells = [pyarrow.array(values) for _, values in columns]
    parquet.write_table(pyarrow.table(cells, names=[name for name, _ in columns]), path)


def rows_of(output: Path) -> list[dict[str, Any]]:
    """Read the table of results, by source and frame."""
    import pyarrow.dataset

    rows = pyarrow.dataset.dataset(output / PARTS).to_table().to_pylist()
    return sorted(rows, key=lambda row: (row["source"], -1 if row["index"] is None else row["index"]))


def bytes_of(output: Path) -> Mapping[str, bytes]:
    """Read all that does not tell times."""
    files = (path for path in output.rglob("*") if path.is_file() and path.parent.name != "times")
    return {str(path.relative_to(output)): path.read_bytes() for path in files}
