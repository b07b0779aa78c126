from __future__ import annotations

from edgeseg.runtime.streams.losses import no_frames, silent, stopped

from ..fakes import GreyFrames


def test_advice_fits_the_source() -> None:
    assert str(no_frames(GreyFrames([]))) == "grey gave no frames; check that it is not empty"
    assert str(no_frames(GreyFrames([], live=True))) == "grey gave no frames; check camera and network"


def test_what_the_source_says_of_itself_is_quoted() -> None:
    source = GreyFrames([], live=True)
    source.skipped.append("grey: none of the last 9 frames could be read")
    source.bad_frames = 9
    assert str(no_frames(source)) == "grey gave no frames: grey: none of the last 9 frames could be read"
    assert str(stopped(source)) == (
        "grey: none of the last 9 frames could be read, 9 damaged or missing; check camera and network"
    )


def test_silence_is_told_with_its_length() -> None:
    assert str(silent(GreyFrames([]), 10)) == "grey sent nothing for 10 s; check camera and network"
