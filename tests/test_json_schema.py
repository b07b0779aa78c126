"""A schema takes what the record takes, and refuses what it refuses, as far as types and ranges say."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import pytest

from edgeseg.errors import SpecError
from edgeseg.json_schema import DIALECT, json_schema
from edgeseg.records import Range, Ranged, from_json_value, to_json_value
from edgeseg.spec import CRFSpec, GraphSpec, InputSpec, ModelSpec, OutputSpec, Provenance

jsonschema = pytest.importorskip("jsonschema", reason="needs jsonschema")


@dataclass(frozen=True)
class Lens(Ranged):
    """A lens.

    It bends light.

    Attributes:
        focal_mm: what it is
            called by.
    """

    focal_mm: Annotated[float, Range(0, 500, above=True)]
    blades: Annotated[int, Range(3, 20)] = 7


@dataclass(frozen=True)
class Camera(Ranged):
    name: str
    kind: Literal["grey", "colour"]
    size_hw: tuple[int, int]
    lens: Lens | None
    spare: tuple[Lens, ...] = ()
    notes: Mapping[str, Any] = field(default_factory=dict)
    schema_version: Annotated[int, Range(3, 3)] = 3


GOOD = {
    "name": "front",
    "kind": "grey",
    "size_hw": [480, 640],
    "lens": {"focal_mm": 8},
    "schema_version": 3,
}


def _spec(**changes: Any) -> ModelSpec:
    spec = ModelSpec(
        task="semantic",
        class_names=("road", "sky"),
        input=InputSpec(32, 64, resize="letterbox"),
        graph=GraphSpec((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
        output_kind="labels",
        outputs=(OutputSpec("labels", "uint8", (1, 32, 64)),),
        source=Provenance("unet"),
        crf=CRFSpec(32),
    )
    return dataclasses.replace(spec, **changes)


def _accepts(record: type, value: Any) -> bool:
    return bool(jsonschema.Draft202012Validator(json_schema(record)).is_valid(value))


def _is_read(record: type, value: Any) -> bool:
    try:
        from_json_value(record, value)
    except SpecError:
        return False
    return True


def test_schemas_are_valid_and_say_what_docstrings_say() -> None:
    schema = json_schema(Camera)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert schema["title"] == "Camera"
    assert schema["required"] == ["name", "kind", "size_hw", "lens", "schema_version"]
    lens = schema["$defs"]["Lens"]
    assert lens["description"] == "A lens.\n\nIt bends light."
    assert lens["properties"]["focal_mm"]["description"] == "what it is called by."
    assert lens["properties"]["blades"] == {"type": "integer", "minimum": 3, "maximum": 20, "default": 7}


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "red"},
        {"size_hw": [480]},
        {"size_hw": [480, 640, 3]},
        {"size_hw": "ab"},
        {"name": 3},
        {"name": None},
        {"lens": {}},
        {"lens": {"focal_mm": 0}},
        {"lens": {"focal_mm": 501}},
        {"lens": {"focal_mm": True}},
        {"spare": [{"focal_mm": 8, "blades": 2}]},
        {"spare": [{"focal_mm": 8, "blades": 3.5}]},
        {"notes": []},
        {"unknown": 1},
    ],
)
def test_what_the_record_refuses_the_schema_refuses(change: dict[str, Any]) -> None:
    assert not _is_read(Camera, {**GOOD, **change})
    assert not _accepts(Camera, {**GOOD, **change})


@pytest.mark.parametrize(
    "change", [{}, {"lens": None}, {"lens": {"focal_mm": 0.5}}, {"notes": {"a": [1, None]}}, {"spare": []}]
)
def test_what_the_record_takes_the_schema_takes(change: dict[str, Any]) -> None:
    assert _is_read(Camera, {**GOOD, **change})
    assert _accepts(Camera, {**GOOD, **change})


def test_a_version_is_required_and_is_the_one() -> None:
    assert not _accepts(Camera, {**GOOD, "schema_version": 4})
    assert not _accepts(Camera, {name: value for name, value in GOOD.items() if name != "schema_version"})


def test_specs_fit_their_schema() -> None:
    for spec in (_spec(), _spec(crf=None)):
        assert _accepts(ModelSpec, to_json_value(spec))
    value = to_json_value(_spec())
    assert not _accepts(ModelSpec, {**value, "input": {**value["input"], "height": 0}})
    assert not _accepts(ModelSpec, {**value, "palette_rgb": [[0, 0, 256]]})
    assert not _accepts(ModelSpec, {**value, "output_kind": "boxes"})
