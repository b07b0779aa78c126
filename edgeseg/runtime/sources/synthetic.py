"""Draw frames of moving scenes for `synthetic:`, so that everything runs where there is no camera."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from edgeseg.errors import UsageError
from edgeseg.runtime.frame import Frame
from edgeseg.runtime.sources.base import Source

if TYPE_CHECKING:
    from edgeseg.scenes.scene import Scene

SCHEME = "synthetic:"
FORM = "synthetic:WIDTHxHEIGHT?seed=N&frames=N"
DEFAULT_SIZE_HW = (480, 640)
SIDE_RANGE = (32, 8192)  # pixels; scenes need some room, and a larger side is a slip of the keyboard
NOMINAL_FPS = 30.0  # the rate at which its videos are written


class SyntheticSource(Source):
    """Frames of one endless scene, or the first `frame_count` of them; equal seeds give equal frames."""

    fps = NOMINAL_FPS

    def __init__(
        self, size_hw: tuple[int, int] = DEFAULT_SIZE_HW, *, seed: int = 0, frame_count: int | None = None
    ) -> None:
        super().__init__()
        from edgeseg.scenes.scene import animate

        height, width = size_hw
        asked = {"seed": seed or None, "frames": frame_count}
        options = "&".join(f"{key}={value}" for key, value in asked.items() if value is not None)
        self.name = f"{SCHEME}{width}x{height}{'?' if options else ''}{options}"
        self.frame_count = frame_count
        self._scenes: Iterator[Scene] = animate(seed, size_hw)
        self._position = 0

    @classmethod
    def parse(cls, text: str) -> SyntheticSource:
        """Read `synthetic:`, `synthetic:640x480`, `synthetic:640x480?seed=3&frames=100` (width x height).

        Raises:
            UsageError: for anything else, and for sides outside SIDE_RANGE.
        """
        match = re.fullmatch(r"(?:([0-9]+)x([0-9]+))?(?:\?(.*))?", text.removeprefix(SCHEME))
        if match is None:
            raise UsageError(f"{text} is not of the form {FORM}")
        size_hw = (int(match[2]), int(match[1])) if match[1] else DEFAULT_SIZE_HW
        low, high = SIDE_RANGE
        if not all(low <= side <= high for side in size_hw):
            raise UsageError(f"{text}: width and height must be {low} to {high} pixels")
        options = {"seed": 0, "frames": -1}
        for key, value in parse_qsl(match[3] or "", keep_blank_values=True):
            if key not in options or not value.isdecimal():
                raise UsageError(f"{text}: {key}={value} is not an option; the form is {FORM}")
            options[key] = int(value)
        frames = options["frames"]
        return cls(size_hw, seed=options["seed"], frame_count=frames if frames >= 0 else None)

    def read(self) -> Frame | None:
        """Draw the next scene; see `Source.read`."""
        if self._position == self.frame_count:
            return None
        time_s = time.monotonic()
        frame = Frame(next(self._scenes).image, self._position, time_s)
        self._position += 1
        return frame
