"""Write the engine that a tuning keeps: proven as it will be opened, with the tuning's report in it."""

from __future__ import annotations

import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

from edgeseg.engines.building.verification import verify_engine
from edgeseg.errors import ParityError
from edgeseg.manifest import TUNING_NAME, read_manifest, seal
from edgeseg.tune.ranking import Way
from edgeseg.tune.report import Tuning


def first_proven(staging: Path, ways: Sequence[Way]) -> tuple[int, list[str]]:
    """Copy the first engine that passes its proof as it is to be opened.

    It was proven when it was built, with the options that were fastest by inference alone.

    Args:
        staging: a folder, empty before.
        ways: the best first; one or more.

    Returns:
        Its place among the ways, and why those before it were passed over.

    Raises:
        ParityError: if none passes.
    """
    errors: list[ParityError] = []
    for place, way in enumerate(ways):
        for name in way.manifest.files:
            shutil.copyfile(way.entrant.made.folder / name, staging / name)
        seal(staging, way.manifest)
        try:
            verify_engine(staging).raise_if_failed("the engine as it was timed")
        except ParityError as error:
            errors.append(error)
            for path in staging.iterdir():
                path.unlink()
        else:
            return place, [str(error) for error in errors]
    raise errors[0]


def put_report(staging: Path, report: Tuning) -> None:
    """Write a tuning's report into the engine that it keeps."""
    manifest = read_manifest(staging)
    (staging / TUNING_NAME).write_text(report.to_json())
    seal(staging, dataclasses.replace(manifest, files={**manifest.files, TUNING_NAME: ""}))
