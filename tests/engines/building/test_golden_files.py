"""What a package says is to be found in its frames, the runtime finds in them."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from edgeseg.engines.building.golden_files import golden_files
from edgeseg.graph.portable import PortableModel
from edgeseg.models.network import Network
from edgeseg.runtime import InstanceResult, Segmenter, SemanticResult
from edgeseg.spec import VOID_LABEL
from tests.export import small_networks
from tests.export.small_networks import SIZE_HW
from tests.exported_models import ExportedModels
from tests.runtime.tiny_models import MODEL_FILE, write_tiny_engine

SIZES_HW = (SIZE_HW, (96, 120))  # of the input, and taller by 3/2, wider by 5/4


def overlapping() -> Network:
    network = small_networks.unet()
    return dataclasses.replace(network, head="multilabel", input_dtype="float32")


def _opened(model: PortableModel, folder: Path) -> Segmenter:
    options = {"model_file": MODEL_FILE, "intra_op_threads": 1}
    return Segmenter.open(write_tiny_engine(folder, model.to_bytes(), model.spec, options))


def _pixels(data: bytes) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize("kind", ["labels", "logits"])
def test_labels(exported: ExportedModels, kind: str, tmp_path: Path) -> None:
    model = PortableModel.read(exported(small_networks.unet, output_kind=kind).path)
    files = golden_files(model, model.golden.seeds)
    assert sorted(files) == ["golden-0.labels.png", "golden-0.png", "golden-1.labels.png", "golden-1.png"]
    with _opened(model, tmp_path / "engine") as segment:
        for index, size_hw in enumerate(SIZES_HW):
            frame, labels = (_pixels(files[f"golden-{index}{end}"]) for end in (".png", ".labels.png"))
            assert frame.shape == (*size_hw, 3)
            assert len(np.unique(labels)) > 1
            found = segment(frame)
            assert isinstance(found, SemanticResult)
            assert np.array_equal(found.labels, labels)


def test_objects(exported: ExportedModels, tmp_path: Path) -> None:
    model = PortableModel.read(exported(small_networks.mask_rcnn).path)
    files = golden_files(model, model.golden.seeds)
    with _opened(model, tmp_path / "engine") as segment:
        for index in range(len(SIZES_HW)):
            objects = json.loads(files[f"golden-{index}.objects.json"])
            assert objects
            found = segment(_pixels(files[f"golden-{index}.png"]))
            assert isinstance(found, InstanceResult)
            assert found.to_coco() == objects


def test_arrays_and_overlapping_classes(exported: ExportedModels, tmp_path: Path) -> None:
    model = PortableModel.read(exported(overlapping, output_kind="logits").path)
    files = golden_files(model, model.golden.seeds)
    with _opened(model, tmp_path / "engine") as segment:
        frame = np.load(io.BytesIO(files["golden-1.npy"]))
        assert (frame.shape, frame.dtype) == ((*SIZES_HW[1], 3), np.float32)
        found = segment(frame)
        assert isinstance(found, SemanticResult)
        labels = _pixels(files["golden-1.labels.png"])
        assert VOID_LABEL in labels
        assert np.array_equal(found.labels, labels)
        assert found.to_segments() == json.loads(files["golden-1.segments.json"])
