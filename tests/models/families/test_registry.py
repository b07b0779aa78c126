"""Weights are recognised by the surest family, or the closest ones are named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from edgeseg.errors import CheckpointError, UsageError
from edgeseg.models.families import registry
from edgeseg.models.families.family import Recognised, Source, Sureness
from edgeseg.models.network import Network
from edgeseg.models.unet import UNet


class _Family:
    extra = None
    layouts: Mapping[str, tuple[str, ...]] = {"Net": (r"stem\.", r"head\."), "Deep": (r"other\.",)}

    def __init__(self, name: str, sure: Sureness | None) -> None:
        self.name = name
        self.sure = sure

    def recognise(self, source: Source) -> Recognised | None:
        return None if self.sure is None else Recognised(self.name, "Net", self.sure, num_classes=2)

    def make(self, source: Source, recognised: Recognised, arguments: Mapping[str, Any]) -> Network:
        raise NotImplementedError


SOURCE = Source(Path("w.pth"), {"stem.weight": torch.zeros(1), "tail.weight": torch.zeros(1)})


@pytest.fixture
def families(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three families: one that recognises nothing, one that guesses, one that is certain."""
    known = (_Family("blind", None), _Family("unsure", "guessed"), _Family("sure", "certain"))
    monkeypatch.setattr(registry, "FAMILIES", known)


@pytest.mark.usefixtures("families")
def test_the_surest_family_wins_whatever_the_order() -> None:
    assert registry.recognise(SOURCE).family == "sure"
    assert registry.by_name("auto", SOURCE).family == "sure"
    assert [found.family for found in registry.recognise_all(SOURCE)] == ["sure", "unsure"]


@pytest.mark.usefixtures("families")
def test_a_named_family_or_architecture_is_taken_as_the_user_says() -> None:
    assert registry.by_name("unsure", SOURCE).num_classes == 2
    assert registry.by_name("unsure:net", SOURCE).num_classes == 2
    forced = registry.by_name("unsure:Deep", SOURCE)
    assert (forced.architecture, forced.num_classes, forced.sure) == ("Deep", None, "certain")
    assert "look like unsure:Net" in forced.unknown[0]
    assert registry.by_name("blind:Deep", SOURCE).model == "blind:Deep"


@pytest.mark.usefixtures("families")
def test_what_is_no_family_or_architecture_is_named() -> None:
    with pytest.raises(UsageError, match=r"unsure has no 'Nett'; did you mean Net\?"):
        registry.by_name("unsure:Nett", SOURCE)
    with pytest.raises(UsageError, match="write FAMILY:Net"):
        registry.by_name("auto:Net", SOURCE)
    with pytest.raises(CheckpointError, match=r"name the architecture, such as blind:Net, of Net, Deep"):
        registry.by_name("blind", SOURCE)


def test_what_nobody_recognises_comes_with_the_closest_and_the_names_that_differ(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(registry, "FAMILIES", (_Family("blind", None),))
    with pytest.raises(CheckpointError) as caught:
        registry.recognise(SOURCE)
    said = str(caught.value)
    assert "blind:Net (25%; without head., with tail.weight besides)" in said
    assert "blind:Deep" not in said
    assert "edgeseg export file.py:function --weights FILE" in said


def test_a_network_of_the_zoo_is_recognised_by_its_weights() -> None:
    trained = UNet(3, width=4, depth=2)
    source = Source(Path("w.pth"), trained.state_dict())
    found = registry.recognise(source)
    assert (found.architecture, found.num_classes) == ("unet", 3)


def test_names_of_families_are_told_from_places_of_functions() -> None:
    assert registry.family_of("auto") == "auto"
    assert registry.family_of("edgeseg:unet") == "edgeseg"
    assert registry.family_of("package.module:function") is None
    assert registry.family_of("unet") is None
