"""Turn records of packages, engines and reports into `docs/schemas/`: python tools/docs/schemas.py

A test compares the files with what this makes, so that they stay true.
"""

from __future__ import annotations

import json
from pathlib import Path

from edgeseg.engines.building.package import Package
from edgeseg.json_schema import json_schema
from edgeseg.manifest import Manifest
from edgeseg.runtime.profiling.comparison import Comparison
from edgeseg.runtime.profiling.report import Profile
from edgeseg.spec import ModelSpec
from edgeseg.targets.findings import TargetReport

FOLDER = Path(__file__).parents[2] / "docs" / "schemas"
RECORDS = {
    "spec": ModelSpec,
    "manifest": Manifest,
    "package": Package,
    "target-report": TargetReport,
    "profile": Profile,
    "comparison": Comparison,
}


def schemas() -> dict[str, str]:
    """Give the text of each schema by the name of its file."""
    return {
        f"{name}.schema.json": json.dumps(json_schema(record), indent=2, ensure_ascii=False) + "\n"
        for name, record in RECORDS.items()
    }


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name, text in schemas().items():
        (FOLDER / name).write_text(text)
