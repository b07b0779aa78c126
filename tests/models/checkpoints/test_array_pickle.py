"""Pickles of arrays are read as NumPy wrote them, and whatever else a pickle may do is refused undone."""

from __future__ import annotations

import collections
import os
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeseg.errors import CheckpointError
from edgeseg.models.checkpoints.checkpoint import read_checkpoint

GENERATOR = np.random.default_rng(0)
ARRAYS = {
    "a.weight": GENERATOR.standard_normal((2, 3, 4)).astype(np.float32),
    "b.weight": np.asfortranarray(GENERATOR.standard_normal((3, 2))),
    "c.weight": GENERATOR.standard_normal(5).astype(np.float16),
    "d.count": np.array(7, np.int64),
    "e.big": np.arange(4, dtype=">f4"),
    "f.empty": np.zeros((0, 3), np.float32),
}


def written(path: Path, content: Any, protocol: int) -> Path:
    path.write_bytes(pickle.dumps(content, protocol))
    return path


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_arrays_of_a_model_zoo_are_tensors(tmp_path: Path, protocol: int) -> None:
    content = {"model": ARRAYS, "__author__": "Model Zoo", "iteration": 9, "ratio": 0.5, "done": True}
    checkpoint = read_checkpoint(written(tmp_path / "model.pkl", content, protocol))

    assert checkpoint.entry == "model"
    assert list(checkpoint.weights) == list(ARRAYS)
    for name, array in ARRAYS.items():
        torch.testing.assert_close(
            checkpoint.weights[name], torch.from_numpy(array.astype(array.dtype.newbyteorder("=")))
        )


def test_an_ordered_dictionary_and_shared_types_are_read(tmp_path: Path) -> None:
    content = collections.OrderedDict((f"{i}.weight", np.full((2, 2), i, np.float32)) for i in range(3))
    checkpoint = read_checkpoint(written(tmp_path / "model.pkl", content, 2))
    assert [float(tensor[0, 0]) for tensor in checkpoint.weights.values()] == [0, 1, 2]


def test_a_pickle_of_python_2_is_read(tmp_path: Path) -> None:
    # What Python 2 wrote, with text for bytes: U is SHORT_BINSTRING.
    dtype = (
        b"cnumpy\ndtype\nq\x01(U\x02f4K\x00K\x01tR(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
    )
    values = np.array([1.5, -2.0], np.float32).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01(K\x02t"
        + dtype
        + b"\x89U\x08"
        + values
        + b"tb"
    )
    (tmp_path / "model.pkl").write_bytes(b"\x80\x02}U\x01w" + array + b"s.")
    assert read_checkpoint(tmp_path / "model.pkl").weights["w"].tolist() == [1.5, -2.0]


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("protocol", [2, 4])
def test_a_malicious_pickle_is_refused_in_a_line_and_runs_nothing(tmp_path: Path, protocol: int) -> None:
    content = {"model": ARRAYS, "hook": Malicious(tmp_path / "ran")}
    with pytest.raises(CheckpointError, match="would run code when opened") as caught:
        read_checkpoint(written(tmp_path / "model.pkl", content, protocol))
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "body",
    [
        b"cbuiltins\neval\n(U\x041+1 tR.",
        b"(U\x041+1 ibuiltins\neval\n.",  # INST names and calls at once
        b"(cbuiltins\neval\nU\x041+1 o.",  # OBJ likewise
        b"U\x03foo}b.",  # changes text
        b"\x82\x01.",  # a registered extension
        b"U\x03idxQ.",  # an object that is kept elsewhere
        b"}q\x00h\x00h\x00\x86.",  # a container in several places
        b"cnumpy\ndtype\n(U\x02O8K\x00K\x01tR.",  # bare, no weights
        b"ccollections\nOrderedDict\n}b.",  # attributes of a class
        b"h\x05.",  # what was never put there
        b"(",
        b"",
    ],
)
def test_what_is_no_pickle_of_arrays_is_refused(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "model.pkl").write_bytes(b"\x80\x02" + body)
    with pytest.raises(CheckpointError) as caught:
        read_checkpoint(tmp_path / "model.pkl")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("shape", "code"), [((10**9, 10**9), "f4"), ((-2,), "f4"), ((2,), "O8"), ((3,), "f4")]
)
def test_arrays_that_are_not_what_they_declare_are_refused(
    tmp_path: Path, shape: tuple[int, ...], code: str
) -> None:
    good = pickle.dumps(np.array([1, 2], np.float32), protocol=3)
    opcodes = [name.name for name, _, _ in pickletools.genops(good)]
    assert "BUILD" in opcodes
    sides = b"(" + b"".join(pickle.dumps(side, protocol=2)[2:-1] for side in shape) + b"t"
    dtype = b"cnumpy\ndtype\n(U\x02" + code.encode() + b"K\x00K\x01tR"
    array = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR(K\x01" + sides + dtype
    (tmp_path / "model.pkl").write_bytes(b"\x80\x02}U\x01w" + array + b"\x89U\x08" + bytes(8) + b"tbs.")
    with pytest.raises(CheckpointError, match=r"damaged or not a checkpoint \(an array of"):
        read_checkpoint(tmp_path / "model.pkl")
