"""Make an ARM64 device of Debian that runs here under emulation, with what `pip` would install on it.

It takes what `tools.debian` takes, and a C compiler; no setting of the kernel.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tools.debian import unpack

RELEASE, PYTHON = "bookworm", "3.11"  # what that release has
EMULATOR_RELEASE, EMULATOR = "trixie", "usr/bin/qemu-aarch64"  # in QEMU 7.2, of bookworm, ONNX Runtime dies
PLATFORMS = (  # of wheels, with versions of glibc that bookworm has; linux: what is built here
    *(f"manylinux_{glibc}_aarch64" for glibc in ("2_35", "2_28", "2_27", "2_17")),
    "manylinux2014_aarch64",
    "linux_aarch64",
)
CONSTRAINTS = Path(__file__).parents[2] / "constraints.txt"
MOUNTS = ("data", "out", "opt/edgeseg")  # where a device is given files, see `confined`
# No kernel here starts a program for ARM64 by itself, and Python starts others by its own name.
LAUNCHER = f"""
#include <unistd.h>
int main(int argc, char **argv) {{
    char *words[argc + 4];
    words[0] = "{EMULATOR}", words[1] = "-0", words[2] = "/usr/bin/python3";
    words[3] = "/usr/bin/python{PYTHON}";
    for (int i = 1; i <= argc; ++i) words[i + 3] = argv[i];  // the last one is NULL
    return execv("/{EMULATOR}", words);
}}
"""


@dataclass(frozen=True)
class Device:
    """A folder with a root file system, and beside it one folder for each way to install.

    Attributes:
        folder: what is in it already is not made again.
        wheel: ours, for ARM64.
    """

    folder: Path
    wheel: Path

    @property
    def root(self) -> Path:
        """The file system, in which Python is the program `python3`."""
        root = self.folder / "root"
        if not root.exists():
            made = self.folder / "root-unfinished"
            shutil.rmtree(made, ignore_errors=True)
            unpack(made, RELEASE, ("python3", "libgomp1"), machine="arm64")
            self._take_emulator(made)
            for name in MOUNTS:
                (made / name).mkdir(parents=True)
            made.rename(root)
        return root

    def installed(self, name: str, requirements: Sequence[str]) -> Path:
        """Install distributions, `edgeseg` from our wheel; gives the folder, laid out as an environment."""
        folder = self.folder / name
        if not folder.exists():
            made = self.folder / f"{name}-unfinished"
            shutil.rmtree(made, ignore_errors=True)
            ours = str(self.wheel)
            platforms = [word for tag in PLATFORMS for word in ("--platform", tag)]
            command: list[str | Path] = [
                *(sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"),
                *("--target", packages_of(made), "--no-compile", "-c", CONSTRAINTS, "--only-binary=:all:"),
                *(*platforms, "--python-version", PYTHON, "--implementation", "cp"),
                *(re.sub("^edgeseg", lambda _: ours, one) for one in requirements),
            ]
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            made.rename(folder)
        return folder

    def _take_emulator(self, root: Path) -> None:
        emulator = self.folder / "emulator"
        shutil.rmtree(emulator, ignore_errors=True)
        unpack(emulator, EMULATOR_RELEASE, ("qemu-user",))
        shutil.copy2(emulator / EMULATOR, root / EMULATOR)
        shutil.rmtree(emulator)
        program = root / "usr" / "bin" / "python3"
        program.unlink()  # a link to what only the emulator can run
        command = ["cc", "-O2", "-s", "-static", "-x", "c", "-", "-o", str(program)]
        subprocess.run(command, input=LAUNCHER, text=True, check=True)


def packages_of(install: Path) -> Path:
    """Say where an installation has its packages."""
    return install / "lib" / f"python{PYTHON}" / "site-packages"
