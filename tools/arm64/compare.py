"""Take packages to an emulated ARM64 device, and compare what it finds with this machine: see .ci/arm64

The demo's networks are exported and packed here. The device, which is closed (see `confined`), builds engines
from the packages, verifies them and runs a clip. Labels and objects must agree as closely as those of fp32
engines must. Times mean nothing.
"""

from __future__ import annotations

import argparse
import itertools
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tools.arm64.confined import CLOSED, MEMORY_MIB, Closed, DeviceError
from tools.arm64.device import PYTHON, Device, packages_of
from tools.arm64.trial import NETWORKS, Trial

SIZES = Path(__file__).parents[2] / ".ci" / "size"
MAKER = ("edgeseg[cpu,mnn,build]",)
SMALL = {  # by backend: what a small device installs, and how many MB that may be
    "onnxruntime": (("edgeseg[images]", "onnxruntime"), 250),
    "mnn": (("edgeseg[images]", "mnn"), 180),
}
KERNELS = """
from edgeseg.frames.resize_kernel import fastest
from edgeseg.runtime.crf.kernel import load
assert fastest() and load(), "there are no kernels for this processor"
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, verify, run and compare all; returns how many do not agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("wheel", type=Path, help="Ours, for ARM64.")
    parser.add_argument("--work", type=Path, help="Keeps the device for the next time.")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=tuple(NETWORKS))
    parser.add_argument("--backends", nargs="+", choices=SMALL, default=tuple(SMALL))
    asked = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="edgeseg-") as temporary:
        folder = Path(temporary)
        device = Device((asked.work or folder / "device").resolve(), asked.wheel.resolve())
        trial = _trial(device, asked.backends, folder)
        for network in asked.networks:
            trial.make(network)
        pairs = itertools.product(asked.networks, asked.backends)
        return sum(not _agrees(trial, network, backend) for network, backend in pairs)


def _trial(device: Device, backends: Sequence[str], folder: Path) -> Trial:
    """Install on the device, and see that it is as closed and as small as it should be."""
    data, out = folder / "data", folder / "out"
    data.mkdir()
    out.mkdir()
    maker = Closed(device.root, packages_of(device.installed("maker", MAKER)), data, out)
    machine = maker.run("-c", CLOSED + KERNELS).said.splitlines()[-1]
    print(
        f"{machine}, Python {PYTHON}, {MEMORY_MIB} MiB, one core; read-only, no network, no HOME", flush=True
    )
    runners = {}
    for backend in backends:
        requirements, most_mb = SMALL[backend]
        install = device.installed(f"small-{backend}", requirements)
        print(f"{' '.join(requirements)}: ", end="", flush=True)
        subprocess.run([sys.executable, SIZES, install, str(most_mb)], check=True)
        runners[backend] = Closed(device.root, packages_of(install), data, out)
    return Trial(maker, runners)


def _agrees(trial: Trial, network: str, backend: str) -> bool:
    try:
        return trial.agrees(network, backend)
    except DeviceError as error:
        print(f"{network} in {backend}: {error}", flush=True)
        return False


if __name__ == "__main__":
    sys.exit(main())
