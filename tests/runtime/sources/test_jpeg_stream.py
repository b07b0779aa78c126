from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.images import ImagesSource

from ..fakes import moving


def _jpeg(image: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(".jpg", image, options)[1].tobytes()


def _segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


def _with(jpeg: bytes, segment: bytes) -> bytes:
    return jpeg[:2] + segment + jpeg[2:]


@pytest.mark.parametrize("name", ["v.mjpeg", "v.MJPG", "v.bin", "v.jpg", "v"])
@pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)])
def test_jpegs_behind_one_another_are_a_video(tmp_path: Path, name: str, options: tuple[int, ...]) -> None:
    images = moving(30)
    path = tmp_path / name
    path.write_bytes(b"".join(_jpeg(image, *options) for image in images))
    with open_source(path) as source:
        frames = list(source)
    assert [frame.index for frame in frames] == list(range(30))
    assert all(
        np.abs(f.image.astype(int) - image).mean() < 8 for f, image in zip(frames, images, strict=True)
    )
    assert (source.bad_frames, source.skipped, source.files) == (0, [], [path])


def test_a_damaged_one_is_counted_and_named(tmp_path: Path) -> None:
    parts = [_jpeg(image) for image in moving(30)]
    parts[9] = parts[9][: len(parts[9]) // 2]
    (tmp_path / "v.mjpeg").write_bytes(b"".join(parts))
    with open_source(tmp_path / "v.mjpeg") as source:
        assert [frame.index for frame in source] == [index for index in range(30) if index != 9]
    assert source.bad_frames == 1
    assert "the first at frame 9" in source.skipped[0]


def test_pictures_that_belong_to_another_are_no_video(tmp_path: Path) -> None:
    first, second = map(_jpeg, moving(2))
    small = _jpeg(moving(1, (24, 32))[0])
    for number, content in enumerate(
        (
            first,
            first + b"\0" * 100,
            first + small,  # a preview
            first + b"\0\0\0\x18ftypmp42" + second,  # a film of the moment, with a picture in it
            _with(first, _segment(0xE2, b"MPF\0" + bytes(20))) + second,  # the other eye, or a gain map
            _with(first, _segment(0xE1, b"Exif\0\0" + small)),  # a thumbnail
        )
    ):
        path = tmp_path / f"{number}.jpg"
        path.write_bytes(content)
        with open_source(path) as source:
            assert type(source) is ImagesSource, number
            assert len(list(source)) == 1
