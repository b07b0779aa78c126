"""Run a site as a process of its own, and wait for what it does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

STARTED_S = 60.0  # more than a start takes on a busy machine

TWO = """engine = "engine"
[[streams]]
name = "one"
source = "synthetic:64x48?seed=1"
outputs = ["one.jsonl"]
[[streams]]
name = "two"
source = "synthetic:64x48?seed=2"
outputs = ["two.jsonl"]
"""


def wait_for(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline_s = time.monotonic() + STARTED_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.05)


def written(folder: Path, text: str) -> Path:
    """Write a site's settings."""
    path = folder / "site.toml"
    path.write_text(text)
    return path


def count(path: Path) -> int:
    """Count the lines of a file; none where it is not there."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


@contextmanager
def running(
    config: Path, said: Path, variables: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """Run a site, whose standard error goes into a file."""
    command = [sys.executable, "-m", "edgeseg", "run", "--config", str(config)]
    with said.open("w") as file:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=file, text=True, env={**os.environ, **(variables or {})}
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()
