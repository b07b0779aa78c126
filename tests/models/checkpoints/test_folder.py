"""The weights of a folder: one file, or the shards that an index lists, and nothing outside."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch

from edgeseg.errors import CheckpointError
from edgeseg.models.checkpoints.checkpoint import read_checkpoint
from edgeseg.models.checkpoints.folder import find_shards

WEIGHTS = {f"layer.{index}.weight": torch.full((2, 2), float(index)) for index in range(4)}
INDEX = "model.safetensors.index.json"


def _shards(folder: Path) -> dict[str, str]:
    index = {}
    for part, names in enumerate((list(WEIGHTS)[:3], list(WEIGHTS)[3:])):
        file = f"model-{part}.safetensors"
        safetensors.torch.save_file({name: WEIGHTS[name] for name in names}, folder / file)
        index.update(dict.fromkeys(names, file))
    (folder / INDEX).write_text(json.dumps({"weight_map": index}))
    return index


def test_shards_are_read_as_one(tmp_path: Path) -> None:
    _shards(tmp_path)
    read = read_checkpoint(tmp_path)
    assert read.path == tmp_path
    assert read.weights.keys() == WEIGHTS.keys()
    assert all(torch.equal(read.weights[name], tensor) for name, tensor in WEIGHTS.items())


def test_the_hash_of_shards_tells_another_shard(tmp_path: Path) -> None:
    _shards(tmp_path)
    before = read_checkpoint(tmp_path).sha256
    assert read_checkpoint(tmp_path).sha256 == before
    safetensors.torch.save_file({"layer.3.weight": torch.ones(2, 2)}, tmp_path / "model-1.safetensors")
    assert read_checkpoint(tmp_path).sha256 != before


def test_a_shard_that_lacks_what_the_index_lists_is_refused(tmp_path: Path) -> None:
    _shards(tmp_path)
    safetensors.torch.save_file({"other.weight": torch.ones(2, 2)}, tmp_path / "model-1.safetensors")
    with pytest.raises(CheckpointError, match=r"lack layer\.3\.weight, which its index lists"):
        read_checkpoint(tmp_path)


def test_a_shard_that_is_not_there_is_named(tmp_path: Path) -> None:
    _shards(tmp_path)
    (tmp_path / "model-1.safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"shards that are not there: model-1\.safetensors; download"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize("name", ["../w.safetensors", "/etc/passwd", "sub/w.safetensors", 5, ".."])
def test_an_index_reads_no_file_elsewhere(tmp_path: Path, name: object) -> None:
    (tmp_path / INDEX).write_text(json.dumps({"weight_map": {"weight": name}}))
    with pytest.raises(CheckpointError, match="no file beside it"):
        find_shards(tmp_path)


@pytest.mark.parametrize("text", ["{}", "[]", '{"weight_map": 3}', '{"weight_map": {}}', "not json"])
def test_an_index_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / INDEX).write_text(text)
    with pytest.raises(CheckpointError, match=INDEX):
        find_shards(tmp_path)


def test_the_usual_file_is_taken_among_several(tmp_path: Path) -> None:
    for name in ("optimizer.bin", "pytorch_model.bin", "scheduler.pt"):
        torch.save(WEIGHTS, tmp_path / name)
    assert find_shards(tmp_path).files == (tmp_path / "pytorch_model.bin",)


def test_several_files_or_none_have_to_be_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="it has none; name the file"):
        find_shards(tmp_path)
    for name in ("a.pth", "b.pth"):
        torch.save(WEIGHTS, tmp_path / name)
    with pytest.raises(CheckpointError, match=r"it has several: a\.pth, b\.pth; name one"):
        find_shards(tmp_path)


def test_an_adapters_folder_is_refused_with_the_fix(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"merge_and_unload\(\)\.save_pretrained"):
        find_shards(tmp_path)
