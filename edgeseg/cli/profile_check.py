"""Hold a profile against a bound of memory or a baseline: what does not fit, beforehand; then the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgeseg.cli.profile_measure import Asked
    from edgeseg.runtime.profiling.report import Profile


@dataclass(frozen=True)
class Check:
    """A baseline, and what `--max-slowdown` and `--check-anyway` say of it."""

    baseline: Profile
    max_percent: float
    anyway: bool

    def before(self, artifact: Path, asked: Asked, *, here: bool, source: str | None = None) -> None:
        """Raise UsageError for what is seen beforehand not to fit: nobody waits for a measurement in vain.

        Args:
            artifact: an engine's folder, or what a device builds one of.
            here: on this machine.
            source: its name, once it is open.
        """
        from edgeseg.machine import this_machine
        from edgeseg.manifest import read_manifest
        from edgeseg.runtime.profiling.check import foreseen, refuse_few, refuse_few_frames, refuse_other

        refuse_few(self.baseline, "the baseline")
        refuse_few_frames(asked.frames)
        if self.anyway:
            return
        known = foreseen(
            scenario=asked.scenario,
            streams=asked.streams if asked.scenario == "multi-stream" else 1,
            manifest=read_manifest(artifact) if artifact.is_dir() else None,
            device=asked.device,
            threads=asked.threads,
            frames=asked.of_frames(),
            machine=this_machine() if here else None,
            source=source,
        )
        refuse_other(known, self.baseline)

    def after(self, report: Profile) -> str:
        """Give the verdict in a line.

        Raises:
            UsageError: if the two cannot be compared.
            BaselineError: if the engine is slower than it may be.
        """
        from edgeseg.runtime.profiling.check import (
            circumstances,
            refuse_other,
            refuse_regression,
            slowdowns,
            verdict,
        )

        if not self.anyway:
            refuse_other(circumstances(report), self.baseline)
        found = slowdowns(report, self.baseline)
        refuse_regression(found, self.max_percent)
        return verdict(found, self.max_percent)


def refuse_memory(report: Profile, most_bytes: int | None) -> None:
    """Raise EngineError if the peak of the memory was above a bound; None stands for any."""
    from edgeseg.errors import EngineError
    from edgeseg.runtime.profiling.assembly import BYTES_PER_MB
    from edgeseg.runtime.profiling.memory import SMALLER, in_mb

    took = report.peak_rss_mb * BYTES_PER_MB
    if most_bytes is not None and took > most_bytes:
        raise EngineError(
            f"the peak of the memory was {in_mb(took)} ({report.peak_rss_mb:.0f} MiB), --max-memory allows "
            f"{in_mb(most_bytes)}: {SMALLER}"
        )


def check_of(path: Path, max_percent: float, *, anyway: bool) -> Check:
    """Read the baseline. Raises UsageError if there is none."""
    from edgeseg.runtime.profiling.report import read_profile

    return Check(read_profile(path), max_percent, anyway)
