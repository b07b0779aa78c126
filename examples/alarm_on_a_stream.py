"""Watch a camera or a video, and print an alarm while a class covers more than a share of the frame.

    python examples/alarm_on_a_stream.py ENGINE rtsp://camera/1 --class-name person --share 0.05

The alarm has hysteresis: it ends when the share falls below half of what began it, so that it does not
flicker. From a camera the newest frame wins, so that an alarm is never late because frames wait.
"""

from __future__ import annotations

import argparse

import numpy as np

from edgeseg.runtime import Segmenter, SemanticResult, stream


def share_of(result: SemanticResult, class_id: int) -> float:
    """Give the share of the frame that a class covers, 0 to 1."""
    return float(np.mean(result.labels == class_id))


def main() -> None:
    """Read the command line and watch until the source ends, or Ctrl-C."""
    parser = argparse.ArgumentParser(description="Print alarms when a class covers much of the frame.")
    parser.add_argument("engine", help="an engine with labels, made by edgeseg build")
    parser.add_argument("source", help="what edgeseg run takes: a camera index, a file, rtsp://...")
    parser.add_argument("--class-name", required=True)
    parser.add_argument("--share", type=float, default=0.05, help="of the frame, 0 to 1")
    arguments = parser.parse_args()

    with Segmenter.open(arguments.engine) as segment:
        class_id = segment.spec.class_names.index(arguments.class_name)
        alarm = False
        for frame, result in stream(arguments.source, segment):
            share = share_of(result, class_id)
            bound = arguments.share / 2 if alarm else arguments.share
            if (share > bound) != alarm:
                alarm = not alarm
                state = "ALARM" if alarm else "over"
                print(f"frame {frame.index}: {state}, {arguments.class_name} covers {share:.1%}", flush=True)


if __name__ == "__main__":
    main()
