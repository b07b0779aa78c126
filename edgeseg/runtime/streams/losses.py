"""Say what a source has lost, and why it gives no frames."""

from __future__ import annotations

from typing import NamedTuple

from edgeseg.errors import SourceDownError, SourceError
from edgeseg.runtime.sources.base import Source


class Losses(NamedTuple):
    """What a source has lost so far: damaged frames, and how many lines of `Source.skipped` there are."""

    bad_frames: int
    skipped: int

    @classmethod
    def of(cls, source: Source) -> Losses:
        """Read a source's counts."""
        return cls(source.bad_frames, len(source.skipped))


def no_frames(source: Source) -> SourceError:
    """Say that a source ended without a single frame."""
    advice = "check camera and network" if source.live else "check that it is not empty"
    detail = f": {source.skipped[0]}" if source.skipped else f"; {advice}"
    return SourceError(f"{source.name} gave no frames{detail}")


def stopped(source: Source) -> SourceDownError:
    """Say that a live source ended, which it never does if all is well."""
    detail = source.skipped[-1] if source.skipped else f"{source.name} stopped sending"
    return SourceDownError(f"{detail}{bad_frames(source.bad_frames)}; check camera and network")


def silent(source: Source, seconds: float) -> SourceDownError:
    """Say that a live source sends nothing."""
    return SourceDownError(f"{source.name} sent nothing for {seconds:g} s; check camera and network")


def bad_frames(count: int) -> str:
    """Say how many frames were lost, as an apposition; nothing if none was."""
    return f", {count} damaged or missing" if count else ""
