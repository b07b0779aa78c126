"""`edgeseg`, `python -m edgeseg`: hear signals first, then import the command line and run it."""

from __future__ import annotations

import sys

from edgeseg import interrupts
from edgeseg.ending import end_beside_threads


def main() -> None:
    """Run the command line and exit."""
    interrupts.hear()
    try:
        from edgeseg.cli import main as run

        run()
    except KeyboardInterrupt:  # while importing
        interrupts.finish()
        sys.exit(interrupts.INTERRUPTED)
    except SystemExit as end:
        end_beside_threads(end.code if isinstance(end.code, int) else 0)
        raise


if __name__ == "__main__":
    main()
