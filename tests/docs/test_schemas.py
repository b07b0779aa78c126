"""The published schemas are those of the records."""

from __future__ import annotations

from tools.docs.schemas import FOLDER, schemas


def test_schemas_are_those_of_the_records() -> None:
    published = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    assert published == schemas(), "python tools/docs/schemas.py writes them"
