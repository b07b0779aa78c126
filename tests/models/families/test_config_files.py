"""Settings beside weights are plain values; what would run code, or grow, is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgeseg.errors import CheckpointError
from edgeseg.models.families.config_files import read_config


def _written(tmp_path: Path, name: str, text: str) -> Path:
    (tmp_path / name).write_text(text)
    return tmp_path / name


def test_json_is_read(tmp_path: Path) -> None:
    assert read_config(_written(tmp_path, "config.json", '{"a": [1, null]}')) == {"a": [1, None]}


def test_yaml_is_read(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="YAML is read by PyYAML")
    text = "MODEL:\n  MASK_ON: true\n  PIXEL_MEAN: [103.53, 116.28, 123.675]\nSAME: &a [1]\nAS: *a\n"
    read = read_config(_written(tmp_path, "config.yaml", text))
    assert read["MODEL"] == {"MASK_ON": True, "PIXEL_MEAN": [103.53, 116.28, 123.675]}
    assert read["AS"] == [1]


def test_yaml_that_names_objects_makes_none(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="YAML is read by PyYAML")
    trace = tmp_path / "ran"
    text = f"!!python/object/apply:pathlib.Path.touch [!!python/object/apply:pathlib.Path ['{trace}']]\n"
    with pytest.raises(CheckpointError, match="names objects of Python, which are not made"):
        read_config(_written(tmp_path, "config.yaml", text))
    assert not trace.exists()


def test_yaml_that_would_grow_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("yaml", reason="YAML is read by PyYAML")
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(CheckpointError, match="references to itself"):
        read_config(_written(tmp_path, "config.yaml", "\n".join(lines)))


@pytest.mark.parametrize("text", ["&a [*a]", "a: b: c", "\tx: 1", "[" * 2000])
def test_yaml_that_is_damaged_is_refused(tmp_path: Path, text: str) -> None:
    pytest.importorskip("yaml", reason="YAML is read by PyYAML")
    with pytest.raises(CheckpointError, match=r"config\.yaml"):
        read_config(_written(tmp_path, "config.yaml", text))


def test_json_that_is_damaged_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"config\.json is damaged or not JSON"):
        read_config(_written(tmp_path, "config.json", "{"))
