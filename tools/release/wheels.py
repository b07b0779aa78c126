"""Say whether wheels serve every Python and machine for which cibuildwheel would build: wheels WHEEL...

As far as that can be seen without its containers: by the names of the builds that its configuration asks for.
Run it where `cibuildwheel` is installed.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

PYPROJECT = Path(__file__).parents[2] / "pyproject.toml"
CLASSIFIER = re.compile(r'^    "Programming Language :: Python :: 3\.(\d+)",$', re.MULTILINE)
LOWEST = re.compile(r'^requires-python = ">=3\.(\d+)"$', re.MULTILINE)
BUILD = re.compile(r"cp3(\d+)-manylinux_(\w+)")  # how cibuildwheel names CPython 3.x on one kind of machine
WHEEL = re.compile(r"-py3-none-manylinux_\d+_\d+_(\w+)\.whl$")
MACHINES = ("x86_64", "aarch64")


def main(wheels: Sequence[str]) -> int:
    """Ask cibuildwheel for its builds, and print what is wrong with them or is not served."""
    builds = [build for machine in MACHINES for build in _builds(machine)]
    faults = faults_of(builds, PYPROJECT.read_text(encoding="utf-8")) + unserved(builds, wheels)
    print(f"cibuildwheel would build {', '.join(builds)}")
    print(*faults, sep="\n", end="\n" if faults else "")
    return bool(faults)


def faults_of(builds: Sequence[str], pyproject: str) -> list[str]:
    """Compare the builds with the Pythons that the project's metadata name."""
    named = minors(pyproject)
    wanted = [f"cp3{minor}-manylinux_{machine}" for machine in MACHINES for minor in named]
    faults = [f"{build} is missing from its builds" for build in wanted if build not in builds]
    faults += [f"{build} is no Python that the classifiers name" for build in builds if build not in wanted]
    if [int(minor) for minor in LOWEST.findall(pyproject)] != sorted(named)[:1]:
        faults.append("requires-python is not the lowest of the classifiers")
    return faults


def minors(pyproject: str) -> list[int]:
    """List the Pythons 3.x that the classifiers name."""
    return [int(minor) for minor in CLASSIFIER.findall(pyproject)]


def unserved(builds: Sequence[str], wheels: Sequence[str]) -> list[str]:
    """Name the machines without a wheel for every Python 3: cibuildwheel builds one, and tests it by all."""
    served = {match[1] for wheel in wheels if (match := WHEEL.search(wheel))}
    machines = dict.fromkeys(match[2] for build in builds if (match := BUILD.fullmatch(build)))
    return [f"no wheel is for {machine}" for machine in machines if machine not in served]


def _builds(machine: str) -> list[str]:
    words = ["--platform", "linux", "--archs", machine, "--print-build-identifiers", str(PYPROJECT.parent)]
    command = [sys.executable, "-m", "cibuildwheel", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
