"""Weights load beside harmless Python objects; nothing that a file names is ever imported or called."""

from __future__ import annotations

import argparse
import builtins
import copyreg
import datetime
import functools
import importlib
import io
import os
import pathlib
import posix
import subprocess
import sys
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from edgeseg.errors import CheckpointError
from edgeseg.models.checkpoints.checkpoint import read_checkpoint
from edgeseg.models.checkpoints.foreign_objects import find_foreign_objects

WEIGHTS = {"a.weight": torch.arange(6.0).reshape(2, 3)}


class Attributes(dict[str, Any]):
    """As the hyperparameters of training frameworks."""


class Configuration:
    def __init__(self) -> None:
        self.folder = Path("data")
        self.typed = defaultdict(list, {"sizes": [1, 2]})

    def __setstate__(self, state: Any) -> None:
        explode()


class Stage(Enum):
    TRAIN = "train"


class Rows(list[int]):
    pass


HARMLESS = {
    "path": Path("runs") / "1",
    "windows path": pathlib.PureWindowsPath("c:/runs"),
    "date and time": datetime.datetime(2026, 1, 2, tzinfo=datetime.timezone.utc),
    "duration": datetime.timedelta(hours=3),
    "defaultdict": defaultdict(lambda: 0),
    "nested defaultdict": {"a": [defaultdict(dict, {"b": {1: Path("c")}})]},
    "counter": Counter("abba"),
    "deque": deque([1, 2], maxlen=5),
    "arguments": argparse.Namespace(lr=0.1, out=Path("runs")),
    "numpy scalar": np.float32(0.5),
    "numpy array": np.array(["a", 1], dtype=object),
    "numpy dtype": np.dtype("int16"),
    "numpy generator": np.random.default_rng(0),
    "sets": ({1, 2}, frozenset("a")),
    "torch values": (torch.float16, torch.device("cpu"), torch.Size([2, 3]), torch.__version__),
    "hyperparameters": Attributes(lr=0.1, data=Path("data")),
    "object": Configuration(),
    "enumeration": Stage.TRAIN,
    "list": Rows([1, 2]),
    "class": torch.nn.Conv2d,
    "function": torch.nn.functional.relu,
    "partial": functools.partial(torch.optim.SGD, lr=0.1),
}
HARMLESS["defaultdict"].default_factory = list


WITH_SOURCE = ("class", "partial")  # before 1.6, PyTorch stored the source of modules' classes


@pytest.mark.parametrize(
    ("name", "zipped"),
    [*((n, True) for n in HARMLESS), *((n, False) for n in HARMLESS if n not in WITH_SOURCE)],
)
def test_harmless_objects_beside_the_weights_are_skipped(tmp_path: Path, name: str, zipped: bool) -> None:
    content = {"before": HARMLESS[name], "state_dict": OrderedDict(WEIGHTS), "after": Path("last")}
    torch.save(content, tmp_path / "w.pt", _use_new_zipfile_serialization=zipped)

    checkpoint = read_checkpoint(tmp_path / "w.pt")

    assert torch.equal(checkpoint.weights["a.weight"], WEIGHTS["a.weight"])
    assert list(checkpoint.weights) == ["a.weight"]
    assert "pathlib.PosixPath" in checkpoint.skipped
    assert not any(kept.startswith(("torch.float", "collections.Ordered")) for kept in checkpoint.skipped)


def test_weights_in_a_dictionary_of_another_class_are_found(tmp_path: Path) -> None:
    torch.save({"state_dict": Attributes(WEIGHTS)}, tmp_path / "w.pt")

    assert torch.equal(read_checkpoint(tmp_path / "w.pt").weights["a.weight"], WEIGHTS["a.weight"])


@pytest.mark.parametrize(
    "content", [torch.nn.Linear(2, 2), {"date": Path("x"), "model": torch.nn.Linear(2, 2)}]
)
def test_a_whole_network_as_an_object_is_refused_by_its_class(tmp_path: Path, content: Any) -> None:
    torch.save(content, tmp_path / "w.pt")

    with pytest.raises(
        CheckpointError, match=r"holds Python objects such as .*; where you trust it, save the"
    ):
        read_checkpoint(tmp_path / "w.pt")


exploded: list[str] = []


def explode(*arguments: Any, **named: Any) -> None:
    exploded.append("called")
    Path("exploded").touch()


class Reduced:
    """Is pickled as a call."""

    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


COMMAND = "touch exploded"
CALLS = {
    "os": (os.system, (COMMAND,)),
    "posix": (posix.system, (COMMAND,)),
    "subprocess": (subprocess.check_call, (["touch", "exploded"],)),
    "eval": (builtins.eval, ("open('exploded', 'w')",)),
    "exec": (builtins.exec, ("open('exploded', 'w')",)),
    "open": (builtins.open, ("exploded", "w")),
    "getattr": (builtins.getattr, (Path, "touch")),
    "getattr of a call": (builtins.getattr, (Reduced(builtins.getattr, (Path, "touch")), "__call__")),
    "import": (importlib.import_module, ("antigravity",)),
    "partial": (functools.partial, (os.system, COMMAND)),
    "reconstructed": (copyreg._reconstructor, (subprocess.Popen, object, None)),
    "within arguments": (argparse.Namespace, (), {"a": Reduced(os.system, (COMMAND,))}),
    "within a call": (OrderedDict, ([("a", Reduced(os.system, (COMMAND,)))],)),
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "place", [lambda evil: {"model": WEIGHTS, "x": [evil]}, lambda evil: {"x": {(evil,): 1}}]
)
@pytest.mark.parametrize("name", CALLS)
def test_code_is_refused_unopened_wherever_it_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, place: Any, zipped: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(place(Reduced(*CALLS[name])), "w.pt", _use_new_zipfile_serialization=zipped)

    with pytest.raises(CheckpointError, match=r"holds Python objects such as [\w.]+, which would run code"):
        read_checkpoint("w.pt")

    assert not Path("exploded").exists()


@pytest.mark.parametrize(
    "evil",
    [
        Reduced(explode, ("x",)),
        Reduced(explode, (), {"state": 1}),
        Reduced(Configuration, (), {"state": 1}),
        Reduced(torch.hub.load, ("x", "y")),
        Reduced(np.load, ("x",)),
    ],
)
def test_names_of_other_packages_are_never_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, evil: Reduced
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save({"model": WEIGHTS, "x": evil}, "w.pt")

    assert list(read_checkpoint("w.pt").weights) == ["a.weight"]

    assert not exploded
    assert not Path("exploded").exists()


def test_modules_that_a_file_names_are_not_imported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "trap_of_a_file.py").write_text("from pathlib import Path\nPath('exploded').touch()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    write_pickle(tmp_path / "w.pt", b"\x80\x02}X\x01\x00\x00\x00xctrap_of_a_file\nThing\n)\x81}bs.")

    with pytest.raises(CheckpointError, match=r"holds Python objects such as trap_of_a_file\.Thing"):
        read_checkpoint("w.pt")

    assert "trap_of_a_file" not in sys.modules
    assert not Path("exploded").exists()


PICKLES = {
    "protocol 0, INST": b"(S'touch exploded'\nios\nsystem\n.",
    "protocol 1, OBJ": b"(cos\nsystem\nU\x0etouch explodedo.",
    "STACK_GLOBAL": b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x0etouch exploded\x85R.",
    "python 2's name": b"\x80\x02c__builtin__\neval\nX\x03\x00\x00\x001+1\x85R.",
    "dotted name": b"\x80\x02cpathlib\nPath.touch\nX\x08\x00\x00\x00exploded\x85R.",
    "extension registry": b"\x80\x02\x82\x01.",
    "a stand-in called": b"\x80\x02cforeign\nThing\n)R)R.",
    "a stand-in as a storage": b"\x80\x02cforeign\nThing\n)RQ.",
    "a stand-in that makes tensors": (
        b"\x80\x02ctorch._tensor\n_rebuild_from_type_v2\n(cforeign\nf\nctorch\nTensor\n)}tR."
    ),
    "an empty stack": b"\x80\x02R.",
}


@pytest.mark.parametrize("name", PICKLES)
def test_pickles_by_hand_run_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    write_pickle(tmp_path / "w.pt", PICKLES[name])

    with pytest.raises(CheckpointError) as caught:
        read_checkpoint("w.pt")

    assert "\n" not in str(caught.value)
    assert not Path("exploded").exists()


def test_members_of_enumerations_are_read_as_any_python_stores_them(tmp_path: Path) -> None:
    torch.save({"model": WEIGHTS, "stage": Reduced(builtins.getattr, (Stage, "TRAIN"))}, tmp_path / "w.pt")

    found = find_foreign_objects(tmp_path / "w.pt")

    assert found.code == []
    assert found.uses[f"{__name__}.Stage"] == {"REDUCE"}
    assert list(read_checkpoint(tmp_path / "w.pt").weights) == ["a.weight"]


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_a_later_protocol_is_named(tmp_path: Path, protocol: int) -> None:
    torch.save({"model": WEIGHTS, "b": b"bytes"}, tmp_path / "w.pt", pickle_protocol=protocol)

    with pytest.raises(CheckpointError, match=rf"pickle of protocol {protocol}, .*save the weights alone"):
        read_checkpoint(tmp_path / "w.pt")


def test_what_is_done_to_foreign_objects_is_read(tmp_path: Path) -> None:
    content = {
        "rows": Rows([1]),
        "twice": [attributes := Attributes(a=Path("x")), attributes],
        "n": Stage.TRAIN,
    }
    torch.save(content, tmp_path / "w.pt")

    found = find_foreign_objects(tmp_path / "w.pt")

    uses = {name.rpartition(".")[2]: uses for name, uses in found.uses.items()}
    assert uses["Rows"] >= {"APPEND"}
    assert uses["Attributes"] >= {"SETITEM"}
    assert uses["Stage"] == {"REDUCE"}
    assert found.code == []
    assert found.protocol == 2


def write_pickle(path: Path, block: bytes) -> None:
    """Put a pickle into a file as `torch.save` writes it."""
    buffer = io.BytesIO()
    torch.save({}, buffer)
    with zipfile.ZipFile(buffer) as good, zipfile.ZipFile(path, "w") as archive:
        for name in good.namelist():
            archive.writestr(name, block if name.endswith("/data.pkl") else good.read(name))
