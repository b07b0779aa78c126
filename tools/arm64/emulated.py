"""Make a Python for ARM64 that runs here under emulation, with the wheels that a device installs.

It takes Debian's qemu-aarch64-static beside what `tools.debian` takes; neither a chroot nor a setting of
the kernel.
"""

from __future__ import annotations

import shlex
import subprocess
import sys
from pathlib import Path

from tools.debian import unpack

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
        unpack(root, RELEASE, ("python3", "libgomp1"), machine="arm64")
        _install(wheels)
        words = shlex.join([QEMU, "-L", str(root), f"{root}/usr/bin/python{PYTHON}"])
        command.write_text(f'#!/bin/sh\nPYTHONPATH="$PYTHONPATH:{wheels}" exec {words} "$@"\n')
        command.chmod(0o755)
    return command


def _install(target: Path) -> None:
    platforms = [word for tag in TAGS for word in ("--platform", tag)]
    command = (
        *(sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), "-c", str(CONSTRAINTS)),
        *("--only-binary=:all:", *platforms, "--python-version", PYTHON, "--implementation", "cp"),
        *(*EXTRAS, *BUILD),
    )
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
