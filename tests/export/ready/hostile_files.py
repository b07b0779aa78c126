"""Write a malicious file of every kind that holds networks, weights or settings."""

from __future__ import annotations

import json
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper
from torch import nn

from tests.export.ready.ready_files import tiny, write_onnx, write_program, write_torchscript

HUGE = 1 << 40
PAIRS = list(pairwise("abcdefg"))  # of names that each stand for 90 of the one before
YAML_BOMB = "a: &a [1]\n" + "".join(f"{b}: &{b} [{', '.join([f'*{a}'] * 90)}]\n" for a, b in PAIRS)


class Payload:
    """Makes a folder when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self.canary = canary

    def __reduce__(self) -> tuple[Any, ...]:
        """Have the folder made by what reads the pickle."""
        return os.mkdir, (str(self.canary),)


Write = Callable[[Path, Path], Path]
"""Writes a malicious file into a folder; what it runs would make the second path."""


def zip_pickle(folder: Path, canary: Path) -> Path:
    torch.save({"weight": torch.zeros(2), "epoch": Payload(canary)}, folder / "zip.pth")
    return folder / "zip.pth"


def legacy_pickle(folder: Path, canary: Path) -> Path:
    path = folder / "legacy.pth"
    torch.save({"epoch": Payload(canary)}, path, _use_new_zipfile_serialization=False)
    return path


def plain_pickle(folder: Path, canary: Path) -> Path:
    (folder / "model.pkl").write_bytes(pickle.dumps({"model": Payload(canary)}))
    return folder / "model.pkl"


def late_pickle(folder: Path, canary: Path) -> Path:
    """A pickle of a protocol whose names lie on its stack."""
    torch.save({"epoch": Payload(canary)}, folder / "late.pth", pickle_protocol=4)
    return folder / "late.pth"


def safetensors_header(folder: Path, canary: Path) -> Path:
    (folder / "a.safetensors").write_bytes(struct.pack("<Q", HUGE) + b'{"a":{}}')
    return folder / "a.safetensors"


def safetensors_shape(folder: Path, canary: Path) -> Path:
    header = json.dumps({"a": {"dtype": "F32", "shape": [HUGE, HUGE], "data_offsets": [0, 4]}}).encode()
    (folder / "b.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(4))
    return folder / "b.safetensors"


def json_bomb(folder: Path, canary: Path) -> Path:
    header = b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    (folder / "c.safetensors").write_bytes(struct.pack("<Q", len(header)) + header)
    return folder / "c.safetensors"


def zip_bomb(folder: Path, canary: Path) -> Path:
    with zipfile.ZipFile(folder / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/data.pkl", pickle.dumps({}, protocol=2))
        with archive.open("bomb/data/0", "w") as entry:
            for _ in range(16):
                entry.write(bytes(1 << 20))
    return folder / "bomb.pth"


def external_data(location: str) -> Write:
    def write(folder: Path, canary: Path) -> Path:
        path = write_onnx(tiny(), folder / "external.onnx")
        model = onnx.load(path)
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        said = {"location": location.replace("CANARY", str(canary)), "offset": "0"}
        for key, value in said.items():
            tensor.external_data.add(key=key, value=value)
        path.write_bytes(model.SerializeToString())
        return path

    return write


def linked_data(folder: Path, canary: Path) -> Path:
    path = external_data("weights.data")(folder, canary)
    (folder / "weights.data").symlink_to("/etc/passwd")
    return path


def linked_folder(folder: Path, canary: Path) -> Path:
    path = external_data("data/passwd")(folder, canary)
    (folder / "data").symlink_to("/etc")
    return path


def graph_of(tensor: onnx.TensorProto, folder: Path) -> Path:
    node = helper.make_node("Add", ["image", tensor.name], ["out"])
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])
    out = helper.make_tensor_value_info("out", TensorProto.FLOAT, None)
    graph = helper.make_graph([node], "hostile", [image], [out], initializer=[tensor])
    (folder / "shapes.onnx").write_bytes(helper.make_model(graph).SerializeToString())
    return folder / "shapes.onnx"


def absurd_shape(folder: Path, canary: Path) -> Path:
    return graph_of(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[HUGE, 4]), folder)


def negative_shape(folder: Path, canary: Path) -> Path:
    return graph_of(TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[-4]), folder)


class SavesATensor(nn.Module):
    """Writes a file when it runs."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Write, and hand on."""
        torch.save(image, self.path)
        return image


class MapsAFile(nn.Module):
    """Makes a file when it runs."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self.path = path

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Make the file, and hand on."""
        return image + torch.from_file(self.path, shared=True, size=1)


def torchscript(module: Callable[[str], nn.Module]) -> Write:
    def write(folder: Path, canary: Path) -> Path:
        path = folder / "scripted.pt"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated
            torch.jit.save(torch.jit.script(module(str(canary))), str(path))
        return path

    return write


def torchscript_class(folder: Path, canary: Path) -> Path:
    """An archive that makes an object of a C++ library while it is loaded."""
    return rewritten(
        write_torchscript(tiny(), folder / "whole.pt"),
        ".py",
        lambda text: (
            text + "\n  def __setstate__(self, state: int) -> None:\n"
            "    x = __torch__.torch.classes.dist_rpc.WorkerInfo\n"
        ),
    )


def rewritten(path: Path, ending: str, change: Callable[[str], str]) -> Path:
    """Change the text of the entries of an archive that end so."""
    other = path.with_name(f"rewritten-{path.name}")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(other, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, change(data.decode()) if name.endswith(ending) else data)
    return other


def changed_program(change: Callable[[str, Path], str], ending: str = "models/model.json") -> Write:
    def write(folder: Path, canary: Path) -> Path:
        path = write_program(tiny(), folder / "program.pt2")
        return rewritten(path, ending, lambda text: change(text, canary))

    return write


def program_samples(folder: Path, canary: Path) -> Path:
    """An archive whose example inputs are a pickle, which `torch.export.load` runs where it has to."""
    path, other = write_program(tiny(), folder / "program.pt2"), folder / "samples.pt2"
    torch.save(Payload(canary), folder / "payload.pt")
    with zipfile.ZipFile(path) as before, zipfile.ZipFile(other, "w") as after:
        for name in before.namelist():
            data = before.read(name)
            after.writestr(name, (folder / "payload.pt").read_bytes() if "sample_inputs" in name else data)
    return other


def program_library(folder: Path, canary: Path) -> Path:
    """An archive with compiled code, which `torch.export.load` loads."""
    path = write_program(tiny(), folder / "program.pt2")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("program/data/aotinductor/model/model.so", b"\x7fELF")
    return path


def linked_in_folder(folder: Path, canary: Path) -> Path:
    """A file of weights that is a link to what is none."""
    (folder / "model.safetensors").symlink_to("/dev/zero")
    return folder / "model.safetensors"


def custom_operators(folder: Path, canary: Path) -> Path:
    """A graph with an operator of a library that would have to be loaded."""
    path = write_onnx(tiny(), folder / "custom.onnx")
    model = onnx.load(path)
    model.graph.node[0].domain = "org.plugin"
    path.write_bytes(model.SerializeToString())
    return path


def renamed(write: Write, name: str) -> Write:
    return lambda folder, canary: write(folder, canary).rename(folder / name)


def array_of_objects(folder: Path, canary: Path) -> Path:
    objects = np.array([Payload(canary)], dtype=object)
    np.savez(folder / "weights.npz", weight=objects)
    return folder / "weights.npz"


def settings(name: str, text: str) -> Write:
    """Settings beside weights that are as they should be."""

    def write(folder: Path, canary: Path) -> Path:
        torch.save(tiny().state_dict(), folder / "weights.pth")
        (folder / name).write_text(text.replace("CANARY", str(canary)))
        return folder

    return write


WHOLE: dict[str, Write] = {
    "zip pickle": zip_pickle,
    "legacy pickle": legacy_pickle,
    "pickle of protocol 4": late_pickle,
    "zip bomb": zip_bomb,
    "program that is a zip bomb": renamed(zip_bomb, "bomb.pt2"),
    "operators of a plugin": custom_operators,
    "external data above": external_data("../../../../../../etc/passwd"),
    "external data at a root": external_data("/etc/passwd"),
    "external data of Windows": external_data("C:\\secrets"),
    "external data by a link": linked_data,
    "external data in a linked folder": linked_folder,
    "external data at a path of its own": external_data("CANARY"),
    "absurd shape": absurd_shape,
    "negative shape": negative_shape,
    "TorchScript that writes": torchscript(SavesATensor),
    "TorchScript that maps": torchscript(MapsAFile),
    "TorchScript of a C++ class": torchscript_class,
    "program with a call": changed_program(
        lambda text, _: text.replace("torch.ops.aten.relu.default", "torch.hub.load")
    ),
    "program with a size that is code": changed_program(
        lambda text, canary: text.replace(
            '{"as_int": 6}',
            json.dumps({"as_expr": {"expr_str": f"__import__('os').mkdir('{canary}')", "hint": None}}),
            1,
        )
    ),
    "program with an import": changed_program(
        lambda text, _: text.replace("builtins.tuple", "collections.defaultdict", 1)
    ),
    "program with an enum": changed_program(
        lambda text, _: text.replace(
            r"\"context\": \"[]\"",
            r"\"context\": \"{\\\"__enum__\\\": 1, \\\"fqn\\\": \\\"os:path\\\", \\\"name\\\": 1}\"",
            1,
        )
    ),
    "program with a check": changed_program(
        lambda text, _: text.replace('"guards_code": []', '"guards_code": ["print(1)"]')
    ),
    "program with a check that calls": changed_program(
        lambda text, _: text.replace('"guards_code": []', '"guards_code": ["L[0].size(print(1)) == 1"]')
    ),
    "program with pickled weights": changed_program(
        lambda text, _: text.replace('"use_pickle": false', '"use_pickle": true', 1), "weights_config.json"
    ),
    "program with an absurd weight": changed_program(
        lambda text, _: text.replace('"as_int": 6', f'"as_int": {HUGE}', 1), "weights_config.json"
    ),
    "program with pickled examples": program_samples,
    "program with a library": program_library,
}

REASONS = {
    "zip pickle": "runs posix.mkdir",
    "legacy pickle": "runs posix.mkdir",
    "pickle of protocol 4": "runs posix.mkdir",
    "zip bomb": "unpacked takes",
    "program that is a zip bomb": "unpacked takes",
    "operators of a plugin": "not ONNX's own: org.plugin::Conv",
    "external data above": "outside the folder",
    "external data at a root": "outside the folder",
    "external data of Windows": "outside the folder",
    "external data by a link": "is a link",
    "external data in a linked folder": "is a link",
    "external data at a path of its own": "outside the folder",
    "absurd shape": "with all its weights takes",
    "negative shape": "negative size",
    "TorchScript that writes": "calls 'torch.save'",
    "TorchScript that maps": "calls 'torch.from_file'",
    "TorchScript of a C++ class": "makes an object of",
    "program with a call": "calls 'torch.hub.load'",
    "program with a size that is code": "a size that is no number",
    "program with an import": "the class 'collections.defaultdict'",
    "program with an enum": "names Python code",
    "program with a check": "checks as Python code",
    "program with a check that calls": "checks as Python code",
    "program with pickled weights": "as a pickle",
    "program with an absurd weight": "with all its weights takes",
    "program with pickled examples": "may run code",
    "program with a library": "neither a graph nor a tensor",
}
"""What the refusal says of each whole network."""

WEIGHTS: dict[str, Write] = {
    "zip pickle": zip_pickle,
    "legacy pickle": legacy_pickle,
    "plain pickle": plain_pickle,
    "pickle of protocol 4": late_pickle,
    "safetensors with an absurd header": safetensors_header,
    "safetensors with an absurd shape": safetensors_shape,
    "safetensors that are a bomb of JSON": json_bomb,
    "zip bomb": zip_bomb,
    "link to a device": linked_in_folder,
    "arrays of objects": array_of_objects,
    "YAML that calls": settings("config.yaml", "model: !!python/object/apply:os.mkdir [CANARY]"),
    "YAML that grows": settings("config.yaml", YAML_BOMB),
    "JSON without end": settings("config.json", "[" * 200_000 + "]" * 200_000),
    "JSON that is none": settings("config.json", "NaN"),
    "shards that lie elsewhere": settings(
        "model.safetensors.index.json", json.dumps({"weight_map": {"weight": "../../etc/passwd"}})
    ),
}
