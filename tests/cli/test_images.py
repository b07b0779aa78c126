"""Images for proof and calibration are spread over what they are taken from, and none is left out unsaid."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgeseg.cli.images import Spread, read_images
from edgeseg.spec import InputSpec
from tests.runtime.fakes import damage, encode_video, greys, moving

SPEC = InputSpec(48, 64)


def test_a_variable_frame_rate_gives_all_images_spread_by_time(tmp_path: Path) -> None:
    times = [i / 100 for i in range(50)] + [0.5 + i for i in range(30)]
    path = encode_video(tmp_path / "v.mkv", greys(80), times, codec="libx264", pixels="yuv420p")
    images = read_images(path, SPEC, most=16)
    assert len(images) == 16
    shades = images.mean(axis=(1, 2, 3))
    burst = greys(80)[49].mean()
    assert (shades <= burst + 5).sum() <= 3  # the first half second, of thirty


@pytest.mark.parametrize("count", [1, 7, 8, 9, 100])
def test_as_many_images_as_there_are_up_to_the_most(tmp_path: Path, count: int) -> None:
    path = encode_video(tmp_path / "v.mp4", greys(count), codec="libx264", pixels="yuv420p")
    assert len(read_images(path, SPEC, most=8)) == min(count, 8)


def test_what_cannot_be_read_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = damage(encode_video(tmp_path / "v.avi", moving(9)), (4,))
    assert len(read_images(path, SPEC, most=8)) == 8
    assert "skipped: 1 frame is damaged or missing" in capsys.readouterr().err
    (tmp_path / "folder").mkdir()
    cv2.imwrite(str(tmp_path / "folder" / "1.png"), np.zeros((48, 64, 3), np.uint8))
    (tmp_path / "folder" / "2.png").touch()
    assert len(read_images(tmp_path / "folder", SPEC)) == 1
    assert "skipped: " in capsys.readouterr().err


def test_an_endless_source_gives_the_first_ones() -> None:
    assert len(read_images(Path("synthetic:64x48"), SPEC, most=3)) == 3


@given(st.lists(st.floats(0, 1e3), max_size=60), st.integers(1, 9))
def test_none_is_missing_and_the_ends_are_there(positions: list[float], most: int) -> None:
    positions.sort()
    spread = Spread[int](most)
    for number, position in enumerate(positions):
        if spread.wants(position):
            spread.add(position, number)
    chosen = spread.chosen()
    assert len(chosen) == min(len(positions), most)
    assert chosen == sorted(set(chosen))


def test_even_positions_are_chosen_evenly() -> None:
    spread = Spread[int](8)
    for position in range(1000):
        if spread.wants(position):
            spread.add(position, position)
    gaps = np.diff(spread.chosen())
    assert gaps.max() <= 3 * gaps.min()
