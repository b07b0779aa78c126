"""Mutate what others write (checkpoints, pictures, recordings, lists) and read it as commands do."""

from __future__ import annotations

import contextlib
import io
import random
import zipfile
from itertools import islice
from pathlib import Path

import cv2
import safetensors.torch
import torch

from edgeseg.cli.options import read_class_names
from edgeseg.cli.palette_options import read_palette
from edgeseg.evaluation.label_map import LabelMaps
from edgeseg.evaluation.objects import read_coco
from edgeseg.models.checkpoints.checkpoint import read_checkpoint
from edgeseg.models.checkpoints.loading import open_network
from edgeseg.models.unet import UNet
from edgeseg.runtime.sources import open_source
from edgeseg.runtime.sources.images import IMAGE_SUFFIXES
from tests.fuzz.artifacts import SIZE_HW, frame
from tests.fuzz.mutations import mutated_bytes, mutated_json_text

FRAMES = 3  # that are read of a mutated source
VIDEO_FRAMES = 12
VIDEOS = {".mp4": "mp4v", ".avi": "MJPG", ".mkv": "mp4v"}


def checkpoints(folder: Path) -> dict[str, bytes]:
    """Make a checkpoint of each format."""
    weights = UNet(2, width=2, depth=2).state_dict()
    content = {"model": weights, "epoch": 3, "args": {"lr": 0.1}}
    torch.save(content, folder / "zip.pth")
    torch.save(content, folder / "legacy.pth", _use_new_zipfile_serialization=False)
    safetensors.torch.save_file(weights, folder / "w.safetensors")
    return {name: (folder / name).read_bytes() for name in ("zip.pth", "legacy.pth", "w.safetensors")}


def checkpoint(sample: bytes, rng: random.Random, at: Path) -> None:
    path = at / "weights"
    within = zipfile.is_zipfile(io.BytesIO(sample)) and rng.random() < 0.7
    path.write_bytes(_with_a_mutated_file(sample, rng) if within else mutated_bytes(sample, rng))
    if rng.random() < 0.7:
        read_checkpoint(path)
    else:
        open_network("unet", path)


def _with_a_mutated_file(sample: bytes, rng: random.Random) -> bytes:
    """Mutate one file of an archive, whose checksums are right."""
    block = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(sample)) as good, zipfile.ZipFile(block, "w") as archive:
        names = good.namelist()
        chosen = rng.choice((names[0], names[0], *names))  # first the pickle
        for name in names:
            data = good.read(name)
            archive.writestr(name, mutated_bytes(data, rng) if name == chosen else data)
    return block.getvalue()


def images() -> dict[str, bytes]:
    """Make a picture of each format that OpenCV writes here, by its suffix."""
    found = {}
    for suffix in sorted(IMAGE_SUFFIXES):
        with contextlib.suppress(cv2.error):
            written, block = cv2.imencode(suffix, frame())
            if written:
                found[suffix] = block.tobytes()
    return found


def videos(folder: Path) -> dict[str, bytes]:
    """Make a short recording in each container, by its suffix."""
    found = {}
    for suffix, codec in VIDEOS.items():
        path = folder / f"video{suffix}"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), 25, SIZE_HW[::-1])
        for index in range(VIDEO_FRAMES):
            writer.write(frame(index))
        writer.release()
        found[suffix] = path.read_bytes()
    return found


def source(sample: bytes, suffix: str, rng: random.Random, at: Path) -> None:
    path = at / f"source{suffix}"
    path.write_bytes(mutated_bytes(sample, rng))
    with open_source(path) as opened:
        for _ in islice(opened, FRAMES):
            pass


def class_names(rng: random.Random, at: Path) -> None:
    path = at / "names.txt"
    names = "\n".join(("background", "straße", "猫", "dog") * rng.choice((1, 100)))
    path.write_bytes(mutated_bytes(names.encode(), rng))
    read_class_names(path)


def palette(rng: random.Random, at: Path) -> None:
    path = at / "palette.txt"
    path.write_bytes(mutated_bytes("\n".join(("#000000", "255,0,7", "0 128 255")).encode(), rng))
    read_palette(path)


def label_map(rng: random.Random, at: Path) -> None:
    path = at / "labels.png"
    path.write_bytes(mutated_bytes(cv2.imencode(".png", frame()[..., 0])[1].tobytes(), rng))
    height, width = frame().shape[:2]
    LabelMaps(255).read(path, (height, width))


def coco(rng: random.Random, at: Path) -> None:
    """Mutate annotations of each form: polygons, run lengths as numbers and as a text."""
    path = at / "instances.json"
    forms = (
        [[2, 3, 8, 3, 8, 9]],
        {"size": [12, 20], "counts": [3, 4, 233]},
        {"size": [12, 20], "counts": "34Q7"},
    )
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "height": 12, "width": 20}],
        "categories": [{"id": 3, "name": "car"}],
        "annotations": [
            {"id": i, "image_id": 7, "category_id": 3, "segmentation": form, "bbox": [2, 3, 6, 6], "area": 36}
            for i, form in enumerate(forms)
        ],
    }
    path.write_bytes(mutated_json_text(content, rng))
    read_coco(path, ("background", "car"))
