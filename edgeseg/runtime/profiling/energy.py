"""What a run took in energy, where the machine has meters."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Rail:
    """One meter, and what it counted while it was watched.

    Attributes:
        name: as the machine calls it, such as `package-0`, `VDD_IN` or the name of a GPU.
        meter: what told it: `powercap` (RAPL), `hwmon` (a sensor of the board) or `nvml`.
        joules: energy; of a sensor that tells power, integrated over the samples.
        within: the rail that counts this one's energy too; None if it stands for itself.
    """

    name: str
    meter: str
    joules: float
    within: str | None


@dataclass(frozen=True)
class Energy:
    """What the whole machine took while it was watched, other programs and what it takes at rest included.

    Attributes:
        seconds: how long.
        joules: of all rails that are not part of another.
        mean_w: the same by time, in watts.
        rails: each meter.
    """

    seconds: float
    joules: float
    mean_w: float
    rails: tuple[Rail, ...]
