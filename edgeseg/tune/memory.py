"""Say how much memory an engine takes on a frame, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from edgeseg.engines.command import command_of
from edgeseg.runtime.profiling.memory import peak_bytes
from edgeseg.runtime.segmenter import Segmenter
from edgeseg.runtime.sources import open_source

FRAMES = 3  # the first ones allocate
_FUNCTION = f"{__name__}:tell_peak"


def peak_of(engine: Path, image: Path, *, timeout_s: float | None = None) -> int | None:
    """Run an engine on an image file in a new process.

    Returns:
        The most bytes that the process held, Python, libraries and processes that compute for it included;
        None if it failed, or took longer than `timeout_s`.
    """
    command = [*command_of(_FUNCTION), str(engine), str(image)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return None
    last = (done.stdout.split() or [""])[-1]
    return int(last) if done.returncode == 0 and last.isdecimal() else None


def tell_peak() -> None:
    """Segment an image, and print the bytes that were held; arguments are an engine and an image."""
    engine, image = map(Path, sys.argv[1:])
    with Segmenter.open(engine) as segmenter, open_source(image, segmenter.spec.input) as source:
        frame = next(iter(source)).image
        for _ in range(FRAMES):
            segmenter(frame)
        print(peak_bytes())
