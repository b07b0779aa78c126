"""Run fuzz cases one after another in a process of their own, each said on a line when it begins.

    python -m tests.fuzz.worker SEED FIRST COUNT     runs cases FIRST .. FIRST + COUNT - 1 of a seed

The parent ends a process that is silent for too long. A case's input stays in its folder while it runs.
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

MOST_RSS_MB = 1024
LIMITS = "tensor=64M,pixels=16M"  # so that what is allowed fits into MOST_RSS_MB


def peak_rss_mb() -> int:
    """Read the largest memory since the last call."""
    status = Path("/proc/self/status").read_text()
    peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
    Path("/proc/self/clear_refs").write_text("5")  # begin again
    return peak


def main(seed: int, first: int, count: int) -> None:
    """Run the cases; a fault is printed with its traceback, and the next one begins."""
    os.environ["EDGESEG_LIMITS"] = LIMITS
    warnings.simplefilter("ignore")
    from tests.fuzz.kinds import ALLOWED, kinds

    with tempfile.TemporaryDirectory() as samples, tempfile.TemporaryDirectory() as work:
        listed = kinds(Path(samples))
        os.chdir(work)
        peak_rss_mb()
        print("ready", flush=True)
        for case in range(first, first + count):
            kind = listed[case % len(listed)]
            folder = Path(work) / str(case)
            folder.mkdir()
            print(f"case {case} {kind.name}: {folder}", flush=True)
            try:
                kind.run(random.Random(f"{seed}:{case}"), folder)
            except ALLOWED as error:
                if not str(error).isprintable():
                    print(f"fault {case} {kind.name}: prints {str(error)!r}", flush=True)
            except Exception:
                print(f"fault {case} {kind.name}:\n{traceback.format_exc()}", flush=True)
            if (peak := peak_rss_mb()) > MOST_RSS_MB:
                print(f"fault {case} {kind.name}: {peak} MB of memory", flush=True)
            shutil.rmtree(folder)
    print("done", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
