"""What `edgeseg doctor` shows of MNN: the units of an ARM processor that it uses."""

from __future__ import annotations

import platform
import subprocess
from typing import Any

from edgeseg.engines.command import command_of

ARM = ("aarch64", "arm64", "armv7l", "armv8l")
SAYS = "The device supports:"  # what MNN prints when it is imported, as in `i8sdot:0, fp16:0, i8mm: 0`


def examine(installed: bool) -> dict[str, Any]:
    """Name the units that MNN found, as `fp16`; of other processors than ARM's it tells none."""
    if not installed or platform.machine() not in ARM:
        return {"mnn_units": []}
    done = subprocess.run(
        command_of("MNN:version"), stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    line = next((line for line in done.stdout.splitlines() if line.startswith(SAYS)), "")
    units = (unit.partition(":") for unit in line.removeprefix(SAYS).split(","))
    return {"mnn_units": [name.strip() for name, _, here in units if here.strip() == "1"]}


def rows(findings: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Say which units there are, in one line."""
    if platform.machine() not in ARM:
        return []
    return [("units of this processor that MNN uses", ", ".join(findings["mnn_units"]) or "none", "")]
