"""Lay out packages of any of Debian's releases and machines in a folder: root and chroot are for others.

It takes Debian's debootstrap and dpkg-deb.
"""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path


def unpack(root: Path, release: str, packages: Sequence[str], *, machine: str | None = None) -> None:
    """Fill a folder, without configuring packages, which would run their scripts.

    Args:
        root: must not be there yet.
        release: as Debian calls it, `bookworm` or `testing`.
        packages: what comes along with the smallest system, and what they need.
        machine: as Debian calls it, `arm64`; None for this one.
    """
    _run(
        *("debootstrap", "--foreign", *((f"--arch={machine}",) if machine else ()), "--variant=minbase"),
        *(f"--include={','.join(packages)}", release, str(root)),
    )
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(root))


def _run(*command: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
