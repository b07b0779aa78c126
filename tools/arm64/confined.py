"""Run Python as on a small, closed device: one core, little memory, nothing to write, no network, no HOME.

It takes bubblewrap, and a control group of its own for the memory, which only root can make.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

PROCESSOR = "cortex-a76"  # of the Raspberry Pi 5: QEMU has its instructions, not its speed
MEMORY_MIB = 512
BYTES_PER_MIB = 1 << 20
GROUPS = Path("/sys/fs/cgroup")
LEAVING_S, LOOK_S = 10.0, 0.05  # until processes that have ended have left their group
CLOSED = """
import os, socket
assert "HOME" not in os.environ
assert len(os.sched_getaffinity(0)) == 1
for folder in ("/", "/usr", "/data", "/opt/edgeseg"):
    assert os.statvfs(folder).f_flag & os.ST_RDONLY, f"{folder} can be written"
assert [name for _, name in socket.if_nameindex()] == ["lo"]
print(os.uname().machine)
"""
"""What a program finds that runs there."""


class DeviceError(RuntimeError):
    """A command on the device failed."""


@dataclass(frozen=True)
class Ran:
    """What a command said, and what it took.

    Attributes:
        said: standard output and errors.
        duration_s: mostly the emulator's.
        peak_mib: of all its processes, with the emulator's own and with files that were cached.
    """

    said: str
    duration_s: float
    peak_mib: float


@dataclass(frozen=True)
class Closed:
    """A device that reads its root, packages and data, and writes into `out` and a temporary folder alone.

    Attributes:
        root: see `Device`.
        packages: a folder of installed packages.
        data: there as /data, read-only.
        out: there as /out; the working folder.
    """

    root: Path
    packages: Path
    data: Path
    out: Path

    def run(self, *arguments: str) -> Ran:
        """Run `python3` with arguments.

        Raises:
            DeviceError: if it fails, with what it said.
        """
        start_s = time.monotonic()
        with _memory_group(MEMORY_MIB) as group:
            command = [*_joining(group), *self._command(), "python3", *arguments]
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
            )
            peak_mib = _peak_mib(group)
        if done.returncode:
            raise DeviceError(f"{' '.join(arguments)}: status {done.returncode}\n{done.stdout.strip()}")
        return Ran(done.stdout, time.monotonic() - start_s, peak_mib)

    def _command(self) -> list[str]:
        core = min(os.sched_getaffinity(0))
        variables = {"PATH": "/usr/bin", "PYTHONPATH": "/opt/edgeseg", "QEMU_CPU": PROCESSOR}
        read = {"/": self.root, "/opt/edgeseg": self.packages, "/data": self.data, "/sys": Path("/sys")}
        return [
            *(
                "taskset",
                "--cpu-list",
                str(core),
                "bwrap",
                "--unshare-all",
                "--die-with-parent",
                "--clearenv",
            ),
            *(word for name, value in variables.items() for word in ("--setenv", name, value)),
            *(word for there, here in read.items() for word in ("--ro-bind", str(here), there)),
            *("--bind", str(self.out), "/out", "--dev", "/dev", "--proc", "/proc", "--tmpfs", "/tmp"),
            *("--chdir", "/out"),
        ]


@contextmanager
def _memory_group(limit_mib: int) -> Iterator[Path]:
    """Make a control group that may take so much, of version 1 or 2."""
    of_version_1 = GROUPS / "memory"
    group = (of_version_1 if of_version_1.is_dir() else GROUPS) / f"edgeseg-{os.getpid()}"
    group.mkdir()
    try:
        name = "memory.limit_in_bytes" if of_version_1.is_dir() else "memory.max"
        (group / name).write_text(str(limit_mib * BYTES_PER_MIB))
        yield group
    finally:
        _remove(group)


def _remove(group: Path) -> None:
    """Remove it once the processes in it, which have ended, are gone."""
    end_s = time.monotonic() + LEAVING_S
    while group.exists() and time.monotonic() < end_s:
        with suppress(OSError):
            group.rmdir()
        time.sleep(LOOK_S)


def _joining(group: Path) -> Sequence[str]:
    """Begin a command in the group."""
    return ("sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh")


def _peak_mib(group: Path) -> float:
    paths = (group / "memory.max_usage_in_bytes", group / "memory.peak")
    return next(int(path.read_text()) / BYTES_PER_MIB for path in paths if path.exists())
