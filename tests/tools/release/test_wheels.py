"""One wheel a machine serves every Python that the project's metadata name, and cibuildwheel tries all."""

from __future__ import annotations

from tools.release.wheels import MACHINES, PYPROJECT, faults_of, minors, unserved

PROJECT = """requires-python = ">=3.10"
classifiers = [
    "Programming Language :: Python :: 3",
    "Programming Language :: Python :: 3.10",
    "Programming Language :: Python :: 3.11",
]
"""
BUILDS = [f"cp3{minor}-manylinux_{machine}" for machine in MACHINES for minor in (10, 11)]


def test_the_metadata_name_five_pythons() -> None:
    assert minors(PYPROJECT.read_text(encoding="utf-8")) == [10, 11, 12, 13, 14]


def test_builds_for_every_python_and_machine_have_no_fault() -> None:
    assert faults_of(BUILDS, PROJECT) == []


def test_builds_that_lack_or_exceed_the_metadata_are_named() -> None:
    assert faults_of([*BUILDS[1:], "cp315-manylinux_x86_64"], PROJECT) == [
        "cp310-manylinux_x86_64 is missing from its builds",
        "cp315-manylinux_x86_64 is no Python that the classifiers name",
    ]
    assert faults_of(BUILDS, PROJECT.replace(">=3.10", ">=3.9")) == [
        "requires-python is not the lowest of the classifiers"
    ]


def test_a_wheel_for_a_machine_serves_its_builds_whatever_its_c_library() -> None:
    here = "dist/edgeseg-0.1.0-py3-none-manylinux_2_35_x86_64.whl"
    there = "edgeseg-0.1.0-py3-none-manylinux_2_28_aarch64.whl"
    assert unserved(BUILDS, [here, there]) == []
    assert unserved(BUILDS, [here]) == ["no wheel is for aarch64"]


def test_wheels_of_one_python_or_that_package_indexes_refuse_serve_nothing() -> None:
    wheels = [
        "edgeseg-0.1.0-py3-none-linux_x86_64.whl",
        "edgeseg-0.1.0-cp311-cp311-manylinux_2_28_aarch64.whl",
    ]
    assert unserved(BUILDS, wheels) == ["no wheel is for x86_64", "no wheel is for aarch64"]
