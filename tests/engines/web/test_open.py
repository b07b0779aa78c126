"""What a page makes of frames is what the runtime makes of them: the same bytes of input, the same result."""

from __future__ import annotations

import dataclasses
import os
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from edgeseg.engines.backend import open_backend
from edgeseg.engines.web.open import WebBackend
from edgeseg.engines.web.open import open as open_page
from edgeseg.errors import EngineError, ShapeError, UsageError
from edgeseg.frames.instance import objects_in
from edgeseg.frames.preprocess import Preprocessor
from edgeseg.frames.semantic import semantic_result
from edgeseg.graph.golden.frames import GoldenFrame
from edgeseg.graph.golden.golden import Golden
from edgeseg.manifest import Manifest, read_manifest
from edgeseg.models.network import Network
from edgeseg.proof.frames import drawn
from tests.engines.web.conftest import MakePage
from tests.export import small_networks

pytestmark = pytest.mark.slow

SIZES_HW = ((64, 96), (128, 192), (33, 61), (40, 200), (480, 640), (199, 101), (64, 97), (320, 480))
LINEAR = [
    {"resize": "stretch"},
    {"resize": "letterbox"},
    {"resize": "letterbox", "pad_side": "right_bottom"},
    {"resize": "shortest_edge"},
]
OTHERS = [{"resize_filter": name} for name in ("area", "antialias", "pil")]


def frame_of(size_hw: tuple[int, int], seed: int) -> NDArray[np.uint8]:
    """Draw patches of 8 pixels with noise over them: smooth areas, edges and texture."""
    random = np.random.default_rng(seed)
    height, width = size_hw
    patches = random.integers(0, 256, (height // 8 + 1, width // 8 + 1, 3))
    frame = patches.repeat(8, axis=0).repeat(8, axis=1)[:height, :width]
    return (frame + random.integers(-20, 21, frame.shape)).clip(0, 255).astype(np.uint8)


def changed(manifest: Manifest, **of_input: Any) -> Manifest:
    """Let the page take frames in another way."""
    taken = dataclasses.replace(manifest.spec.input, pad_bgr=(1, 20, 255), **of_input)
    return dataclasses.replace(manifest, spec=dataclasses.replace(manifest.spec, input=taken))


@pytest.mark.parametrize(
    "of_input",
    [LINEAR[1], *(pytest.param(one, marks=pytest.mark.minutes) for one in [LINEAR[0], *LINEAR[2:], *OTHERS])],
)
def test_labels_and_input_are_the_runtimes(page_of: MakePage, of_input: dict[str, Any]) -> None:
    folder = page_of(small_networks.deeplab, output_kind="logits")
    manifest = changed(read_manifest(folder), **of_input)
    with closing(open_page(folder, manifest, device=None, threads=None)) as page:
        for seed, size_hw in enumerate(SIZES_HW):
            frame = frame_of(size_hw, seed)
            found = page.find(frame)
            image, placement = Preprocessor(manifest.spec.input)(frame)
            apart = np.abs(found.image.astype(int) - image[0])
            assert apart.max() <= (0 if of_input in LINEAR else 1), size_hw
            result = semantic_result(page.infer(found.image[None]), placement, head=manifest.spec.head)
            np.testing.assert_array_equal(found.result.labels, result.labels)


def overlapping() -> Network:
    return dataclasses.replace(small_networks.unet(), head="multilabel")


@pytest.mark.parametrize(
    ("make", "settings"),
    [(small_networks.unet, {"output_kind": "labels"}), (overlapping, {"output_kind": "logits"})],
)
def test_labels_and_overlapping_classes_are_the_runtimes(
    page_of: MakePage, make: Any, settings: dict[str, Any]
) -> None:
    folder = page_of(make, **settings)
    manifest = changed(read_manifest(folder), resize="letterbox")
    with closing(open_page(folder, manifest, device=None, threads=None)) as page:
        for seed, size_hw in enumerate(SIZES_HW):
            frame = frame_of(size_hw, seed)
            found = page.find(frame)
            placement = Preprocessor(manifest.spec.input)(frame).placement
            result = semantic_result(page.infer(found.image[None]), placement, head=manifest.spec.head)
            np.testing.assert_array_equal(found.result.labels, result.labels)
            if result.masks is not None:
                np.testing.assert_array_equal(found.result.masks, result.masks)


@pytest.mark.parametrize(
    "pasting", ["whole_pixels", pytest.param("pixel_centres", marks=pytest.mark.minutes)]
)
def test_objects_are_the_runtimes(page_of: MakePage, pasting: str) -> None:
    folder = page_of(small_networks.mask_rcnn, lowering="onnx")
    manifest = read_manifest(folder)
    seeds = Golden.from_json((folder / "golden.json").read_text()).seeds  # of pictures with objects in them
    thresholds = dataclasses.replace(manifest.spec.thresholds, pasting=pasting)
    manifest = dataclasses.replace(manifest, spec=dataclasses.replace(manifest.spec, thresholds=thresholds))
    objects = 0
    with closing(open_page(folder, manifest, device=None, threads=None)) as page:
        for number, size_hw in enumerate(SIZES_HW):
            frame = drawn(GoldenFrame(seeds[number % len(seeds)], size_hw, {}), manifest.spec)
            found = page.find(frame)
            placement = Preprocessor(manifest.spec.input)(frame).placement
            result = objects_in(page.infer(found.image[None]), 0, placement, thresholds)
            np.testing.assert_array_equal(found.result.boxes, result.boxes)
            np.testing.assert_array_equal(found.result.scores, result.scores)
            np.testing.assert_array_equal(found.result.class_ids, result.class_ids)
            differing = np.count_nonzero(found.result.masks != result.masks)
            assert differing <= 1e-4 * result.masks.size  # probabilities on the threshold
            objects += len(result)
    assert objects > 10


@pytest.fixture
def page(page_of: MakePage) -> Iterator[WebBackend]:
    folder = page_of(small_networks.deeplab, output_kind="logits")
    opened = open_backend(folder, read_manifest(folder))
    assert isinstance(opened, WebBackend)
    yield opened
    opened.close()


def test_what_it_says_of_itself(page: WebBackend) -> None:
    assert page.built_on == {}
    assert page.inputs["image"].shape == (1, 64, 96, 3)
    assert list(page.outputs) == ["logits"]
    assert page.infer(np.zeros((1, 64, 96, 3), np.uint8))["logits"].dtype == np.float32


def test_wrong_inputs_are_refused(page: WebBackend) -> None:
    with pytest.raises(EngineError, match=r"takes uint8 images of shape \(1, 64, 96, 3\), got"):
        page.infer(np.zeros((2, 64, 96, 3), np.uint8))
    with pytest.raises(ShapeError, match="cvtColor"):
        page.find(np.zeros((64, 96), np.uint8))


def test_a_closed_page_says_so(page: WebBackend) -> None:
    page.close()
    page.close()
    with pytest.raises(EngineError, match="the engine is closed"):
        page.infer(np.zeros((1, 64, 96, 3), np.uint8))


def test_a_browser_that_ends_is_an_error(page: WebBackend) -> None:
    os.killpg(page.process_id, signal.SIGKILL)
    with pytest.raises(EngineError, match=r"ONNX Runtime Web failed: the browser ended \(status -9\)"):
        page.infer(np.zeros((1, 64, 96, 3), np.uint8))
    with pytest.raises(EngineError, match=r"its browser ended; open the engine again"):
        page.infer(np.zeros((1, 64, 96, 3), np.uint8))


def test_what_fails_in_the_page_leaves_it_open(page: WebBackend) -> None:
    with pytest.raises(EngineError, match=r"ONNX Runtime Web failed: .*decode"):
        page._ask("segment", b"no picture", masks=False)
    assert page.infer(np.zeros((1, 64, 96, 3), np.uint8))["logits"].shape[0] == 1


def test_a_page_ends_its_browser(page: WebBackend) -> None:
    process = page.process_id
    page.close()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)


def test_a_model_that_the_browser_refuses_is_an_error(page_of: MakePage, tmp_path: Path) -> None:
    folder = page_of(small_networks.deeplab, output_kind="logits")
    copy = tmp_path / "page"
    copy.mkdir()
    for file in folder.iterdir():
        (copy / file.name).write_bytes(b"no graph" if file.name == "model.onnx" else file.read_bytes())
    manifest = read_manifest(folder)
    manifest = dataclasses.replace(manifest, files=dict.fromkeys(manifest.files, ""))
    with pytest.raises(EngineError, match=r"ONNX Runtime Web cannot open .*page: "):
        open_page(copy, manifest, device=None, threads=None)


def test_it_runs_nowhere_else(page_of: MakePage) -> None:
    folder = page_of(small_networks.deeplab, output_kind="logits")
    with pytest.raises(UsageError, match="has no device 'cpu'; it has browser"):
        open_backend(folder, read_manifest(folder), device="cpu")
