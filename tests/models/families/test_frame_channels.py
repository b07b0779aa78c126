"""Frames by the channels of a network."""

from __future__ import annotations

import pytest

from edgeseg.errors import CheckpointError
from edgeseg.models.families.frame_channels import Frame, frame_of


def test_one_channel_is_grey_three_are_colours_and_others_are_stored() -> None:
    assert frame_of(1, "w.pth") == Frame(3, "grey")
    assert frame_of(3, "w.pth") == Frame(3, "rgb")
    assert frame_of(4, "w.pth") == Frame(4, "stored")


def test_more_channels_than_frames_have_are_refused() -> None:
    with pytest.raises(CheckpointError, match=r"w\.pth takes 64 channels; frames have at most 16"):
        frame_of(64, "w.pth")
