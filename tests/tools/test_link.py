"""Environments in CI share files, and nothing comes into one that pip would not put there: `.ci/link`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = "lib/python3.11/site-packages"


def _installed(environment: Path, name: str, version: str) -> None:
    """Write a distribution of one module and one program, as pip does."""
    packages, information = environment / PACKAGES, f"{name}-{version}.dist-info"
    (packages / name).mkdir(parents=True)
    (packages / name / "__init__.py").write_text(f"VERSION = '{version}'\n")
    (packages / information).mkdir()
    (packages / information / "METADATA").write_text(f"Name: {name}\nVersion: {version}\n")
    (environment / "bin").mkdir(exist_ok=True)
    (environment / "bin" / name).write_text(f"#!{environment}/bin/python\n")
    files = [
        f"{name}/__init__.py",
        f"{information}/METADATA",
        f"{information}/RECORD",
        f"../../../bin/{name}",
    ]
    (packages / information / "RECORD").write_text("".join(f"{file},,\n" for file in files))


def test_what_pip_would_put_there_is_linked_and_nothing_else(tmp_path: Path) -> None:
    source, target, report = tmp_path / "source", tmp_path / "target", tmp_path / "report.json"
    for name, version in (("Big_Library", "2.1"), ("older", "1.0"), ("unasked", "1.0")):
        _installed(source, name, version)
    (target / PACKAGES).mkdir(parents=True)
    _installed(source, "edgeseg", "0.1.0")
    wanted = {"big-library": "2.1", "older": "1.1", "absent": "1.0", "edgeseg": "0.1.0"}
    install = [
        {"metadata": {"name": name, "version": version}, "is_direct": name == "edgeseg"}
        for name, version in wanted.items()
    ]
    report.write_text(json.dumps({"install": install}))
    command = [sys.executable, ROOT / ".ci" / "link", source, target, report]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "link: 1 of 3 distributions, 0 MiB\n"
    found = sorted(str(path.relative_to(target / PACKAGES)) for path in target.rglob("*") if path.is_file())
    assert found == [
        "Big_Library-2.1.dist-info/METADATA",
        "Big_Library-2.1.dist-info/RECORD",
        "Big_Library/__init__.py",
    ]
    assert (source / PACKAGES / found[2]).samefile(target / PACKAGES / found[2])
