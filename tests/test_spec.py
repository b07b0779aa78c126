"""A ModelSpec reads back what it wrote and refuses what contradicts itself."""

from __future__ import annotations

import dataclasses
import json

import pytest

from edgeseg.errors import SpecError
from edgeseg.spec import (
    CRFSpec,
    GraphSpec,
    InputSpec,
    ModelSpec,
    OutputSpec,
    Provenance,
    default_palette,
)

SPEC = ModelSpec(
    task="semantic",
    class_names=("background", "cell"),
    input=InputSpec(height=64, width=96, resize="letterbox"),
    graph=GraphSpec(mean_rgb=(0.0, 0.0, 0.0), std_rgb=(1.0, 1.0, 1.0)),
    output_kind="labels",
    outputs=(OutputSpec("labels", "uint8", (1, 64, 96)),),
    source=Provenance("unet", "00ff", {"torch": "2.14.1"}),
)


def test_json_round_trip_is_exact_and_deterministic() -> None:
    assert ModelSpec.from_json(SPEC.to_json()) == SPEC
    assert ModelSpec.from_json(SPEC.to_json()).to_json() == SPEC.to_json()


def test_a_spec_from_before_graphs_had_crfs_has_none() -> None:
    plain = json.loads(SPEC.to_json())
    del plain["graph"]["crf_stride"]
    assert ModelSpec.from_plain(plain) == SPEC
    with_crf = dataclasses.replace(
        SPEC, graph=dataclasses.replace(SPEC.graph, crf_stride=8), crf=CRFSpec(64, iterations=3)
    )
    assert ModelSpec.from_json(with_crf.to_json()) == with_crf


def test_palette_is_made_for_every_class_and_colours_differ() -> None:
    assert SPEC.palette_rgb == default_palette(2)
    assert SPEC.palette_rgb[0] == (0, 0, 0)
    assert len(set(default_palette(91))) == 91


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ()}, "1 to 255 names"),
        ({"class_names": ("a",) * 256}, "got 256"),
        ({"palette_rgb": ((0, 0, 0),)}, "2 classes, 1 colours"),
        ({"input": InputSpec(height=0, width=8)}, "input sizes"),
        ({"input": InputSpec(height=8, width=8, pad_bgr=(0, 0, 31365))}, "colours must be 0 to 255"),
        ({"palette_rgb": ((0, 0, 0), (0, -1, 0))}, "colours must be 0 to 255"),
        ({"output_kind": "instances"}, "does not fit task"),
        ({"output_kind": "logits"}, "outputs of 'logits'"),
        ({"graph": GraphSpec((0.0,) * 3, (1.0,) * 3, crf_stride=4)}, "must have the CRF's parameters"),
        ({"graph": GraphSpec((0.0,) * 3, (1.0,) * 3, crf_stride=0), "crf": CRFSpec(64)}, "at least 1, got 0"),
    ],
)
def test_contradictions_are_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        dataclasses.replace(SPEC, **change)  # type: ignore[arg-type]


def test_other_schema_and_garbage_are_refused() -> None:
    other = {**json.loads(SPEC.to_json()), "schema_version": 99}
    with pytest.raises(SpecError, match="schema version 99, this edgeseg reads 1"):
        ModelSpec.from_json(json.dumps(other))
    with pytest.raises(SpecError, match="not JSON"):
        ModelSpec.from_json("{")
    with pytest.raises(SpecError, match="schema version None"):
        ModelSpec.from_json("[]")
