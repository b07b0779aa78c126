"""`edgeseg`, `python -m edgeseg`: hear signals first, then import the command line and run it."""

from __future__ import annotations

import sys

from edgeseg import interrupts


def main() -> None:
    """Run the command line and exit."""
    interrupts.hear()
    try:
        from edgeseg.cli import main as run

        run()
    except KeyboardInterrupt:  # while importing
        interrupts.finish()
        sys.exit(interrupts.INTERRUPTED)


if __name__ == "__main__":
    main()
