"""Make a Python for ARM64 that runs here under emulation, with the wheels that a device installs.

It takes Debian's debootstrap, dpkg-deb and qemu-aarch64-static; neither a chroot nor a setting of the kernel.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

RELEASE, PYTHON = "bookworm", "3.11"  # what that release has
QEMU = "qemu-aarch64-static"
EXTRAS = ("mnn", "numpy", "onnxruntime", "opencv-python-headless", "av", "pycocotools", "click", "rich")
BUILD = ("onnx", "onnx-ir")
TAGS = ("manylinux_2_28_aarch64", "manylinux_2_27_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64")
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"


def python_of(folder: Path) -> Path:
    """Give a command that is a Python for ARM64; what is in the folder already is not made again."""
    root, wheels, command = folder / "root", folder / "wheels", folder / "python-arm64"
    if not command.exists():
        _unpack(root)
        _install(wheels)
        words = shlex.join([QEMU, "-L", str(root), f"{root}/usr/bin/python{PYTHON}"])
        command.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{wheels}" exec {words} "$@"\n')
        command.chmod(0o755)
    return command


def _unpack(root: Path) -> None:
    """Lay out Debian's packages for ARM64 without configuring them, which would run their scripts."""
    _run(
        *("debootstrap", "--foreign", "--arch=arm64", "--variant=minbase"),
        *("--include=python3,libgomp1", RELEASE, str(root)),
    )
    for package in sorted((root / "var/cache/apt/archives").glob("*.deb")):
        _run("dpkg-deb", "-x", str(package), str(root))


def _install(target: Path) -> None:
    platforms = [word for tag in TAGS for word in ("--platform", tag)]
    _run(
        *(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "-c", str(CONSTRAINTS)),
        *("--only-binary=:all:", *platforms, "--python-version", PYTHON, "--implementation", "cp"),
        *(*EXTRAS, *BUILD),
    )


def _run(*command: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
