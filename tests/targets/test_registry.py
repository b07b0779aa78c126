"""Each table is a target under its own name, with the source of every number."""

from __future__ import annotations

import pytest

from edgeseg.engines.registry import backends
from edgeseg.targets.registry import target_of, targets, versioned_targets
from edgeseg.targets.target import sources_of

WANTED = {"jetpack6", "jetpack7.2", "dla", "tensorrt10", "tensorrt11", "ort-1.20", "openvino-2025", "mnn-3"}


def test_the_targets_are_those_of_the_tables_and_the_backends() -> None:
    assert set(versioned_targets()) == WANTED
    assert targets() == (*sorted(WANTED), *backends())


@pytest.mark.parametrize("name", targets())
def test_a_target_goes_by_its_name_and_its_backend_is_there(name: str) -> None:
    target = target_of(name)
    assert target.name == name
    assert target.backend in backends()
    assert target.proof


@pytest.mark.parametrize("name", versioned_targets())
def test_every_number_has_a_source(name: str) -> None:
    target = target_of(name)
    told = sources_of(target)
    assert {"operators"} <= set(told)
    assert ("opset" in told) == (target.opset is not None)
    assert ("memory" in told) == bool(target.devices)
    assert ("library" in told) == bool(target.devices)
    assert all(rule.source.startswith("https://") for rule in target.rules)
    assert all("https://" in text or "itself" in text for text in told.values()), told


@pytest.mark.parametrize("name", versioned_targets())
def test_what_has_not_run_says_so(name: str) -> None:
    target = target_of(name)
    assert ("documents alone" in target.proof) == (target.backend == "tensorrt")
