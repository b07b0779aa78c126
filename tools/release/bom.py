"""Give a bill of materials the version of what it is of, and hold it against its schema: bom FILE VERSION

cyclonedx-py reads pyproject.toml, in which our version does not stand. Run it where `cyclonedx-bom` is
installed.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

INSTALLERS = ("pip", "setuptools", "wheel")


def named(bom: dict[str, Any], version: str) -> dict[str, Any]:
    """Return the bill with the version and the package URL of its root.

    Raises:
        ValueError: if it has a time or a number of this very run, what installs in it, or nothing at all.
    """
    root = bom["metadata"]["component"]
    names = [component["name"] for component in bom.get("components", [])]
    if "serialNumber" in bom:
        raise ValueError(
            "it has a serial number, which no other run would give; ask for --output-reproducible"
        )
    if not names:
        raise ValueError("it names nothing that is installed")
    if installing := sorted(set(names) & set(INSTALLERS)):
        raise ValueError(f"it names {', '.join(installing)}, which a device does not need")
    identified = {"purl": f"pkg:pypi/{root['name']}@{version}", "version": version}
    return {**bom, "metadata": {**bom["metadata"], "component": {**root, **identified}}}


def main(path: Path, version: str) -> str | None:
    """Rewrite the file; returns the schema's first complaint, None if there is none."""
    from cyclonedx.schema import SchemaVersion
    from cyclonedx.validation.json import JsonStrictValidator

    bom = named(json.loads(path.read_text(encoding="utf-8")), version)
    text = json.dumps(bom, indent=2, sort_keys=True) + "\n"
    complaint = JsonStrictValidator(SchemaVersion.from_version(bom["specVersion"])).validate_str(text)
    path.write_text(text, encoding="utf-8")
    print(f"{path.name}: CycloneDX {bom['specVersion']}, {len(bom['components'])} components")
    return f"{path}: {complaint}" if complaint else None


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2]))
