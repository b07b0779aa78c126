"""Pages of all kinds of network are proven in a real browser; one whose code is wrong is not written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from edgeseg.engines.backend import open_backend
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.building.verification import verify_engine
from edgeseg.engines.request import Request
from edgeseg.engines.web import browser, build
from edgeseg.engines.web.open import WebBackend
from edgeseg.errors import EngineError, ParityError
from edgeseg.graph.precision.convert import Calibration
from edgeseg.models.network import Network
from edgeseg.scenes.pictures import pictures
from tests.export import small_networks
from tests.exported_models import ExportedModels

pytestmark = pytest.mark.slow
SHIPPED = {
    "index.html",
    "page.js",
    "worker.js",
    "ort-wasm.wasm",
    "ort-webgpu.wasm",
    "model.onnx",
    "golden-1.png",
}


def request_of(runtime: Path, precision: str = "fp32") -> Request:
    return Request("web", precision, options={"runtime": runtime})  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def needs_chromium() -> None:
    if browser.find_browser() is None:
        pytest.skip("needs chromium")


@pytest.mark.parametrize(
    ("make", "settings"),
    [
        (small_networks.unet, {"output_kind": "labels"}),
        pytest.param(small_networks.deeplab, {"output_kind": "logits"}, marks=pytest.mark.minutes),
        pytest.param(small_networks.mask_rcnn, {"lowering": "onnx"}, marks=pytest.mark.minutes),
        (small_networks.mask_rcnn, {"lowering": "dense"}),
    ],
)
def test_networks_of_all_kinds_are_built_and_proven(
    make: Callable[..., Network],
    settings: dict[str, Any],
    exported: ExportedModels,
    runtime: Path,
    tmp_path: Path,
) -> None:
    path = exported(make, **settings).path
    built = build_engine(path, tmp_path / "page", request=request_of(runtime))
    assert built.parity.passed
    assert built.parity.figures["frames"] == 3
    assert built.parity.figures["frame_resize_error_levels"] <= 1
    assert built.parity.figures["frame_misplaced_pixels"] == 0
    assert set(built.manifest.files) >= SHIPPED
    assert built.manifest.backend_version == "1.30.0"
    assert built.manifest.options["proven_in"]
    assert verify_engine(tmp_path / "page").passed


@pytest.mark.minutes
def test_a_detector_that_finds_nothing_is_proven_by_its_intermediate_values(
    exported: ExportedModels, runtime: Path, tmp_path: Path
) -> None:
    path = exported(small_networks.mask_rcnn, 1.0, lowering="onnx").path
    built = build_engine(path, tmp_path / "page", request=request_of(runtime))
    assert built.parity.passed
    assert built.parity.figures["matched"] == 0


@pytest.mark.minutes
@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_half_and_int8_pages_are_smaller(
    precision: str, exported: ExportedModels, runtime: Path, tmp_path: Path
) -> None:
    path = exported(small_networks.deeplab, output_kind="logits").path
    images = Calibration(pictures(range(30, 34), small_networks.SIZE_HW), max_drop=100.0)
    request = request_of(runtime, precision)
    built = build_engine(path, tmp_path / "page", request=request, calibration=images)
    assert built.parity.passed
    assert built.precision is not None
    assert built.precision.engine_drop_points is not None
    assert (tmp_path / "page" / "model.onnx").stat().st_size < path.stat().st_size
    assert "golden-0.labels.png" in built.manifest.files


@pytest.mark.parametrize(
    "change",
    [
        ("weights.js", "(i + 0.5) * scale - 0.5", "i * scale"),
        pytest.param(("semantic.js", "if (lead > most) {", "if (lead < most) {"), marks=pytest.mark.minutes),
        pytest.param(
            ("geometry.js", "(i + 0.5) * (content / frameSide)", "i * (content / frameSide)"),
            marks=pytest.mark.minutes,
        ),
    ],
)
def test_a_page_whose_code_is_wrong_is_not_written(
    change: tuple[str, str, str],
    exported: ExportedModels,
    runtime: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    page, (module, right, wrong) = build.page_files(), change
    text = page[module].decode()
    assert right in text
    monkeypatch.setattr(build, "page_files", lambda: {**page, module: text.replace(right, wrong).encode()})
    path = exported(small_networks.deeplab, output_kind="logits").path
    with pytest.raises(ParityError, match=r"frame of|results are not where|frame label agreement"):
        build_engine(path, tmp_path / "page", request=request_of(runtime))
    assert not (tmp_path / "page").exists()


def test_a_page_that_was_changed_is_refused(exported: ExportedModels, runtime: Path, tmp_path: Path) -> None:
    path = exported(small_networks.unet, output_kind="labels").path
    build_engine(path, tmp_path / "page", request=request_of(runtime))
    script = tmp_path / "page" / "resizing.js"
    script.write_text(script.read_text() + "// mine\n")
    with pytest.raises(EngineError, match=r"resizing.js is not the file that was built"):
        verify_engine(tmp_path / "page")


def test_without_a_browser_nothing_is_fetched_or_written(
    exported: ExportedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "require_browser", browser.require_browser)
    monkeypatch.setattr(browser, "find_browser", lambda: None)
    monkeypatch.setattr(build, "put_runtime", lambda *_: pytest.fail("something was fetched"))
    path = exported(small_networks.unet, output_kind="labels").path
    with pytest.raises(EngineError, match=r"apt-get install chromium.*EDGESEG_BROWSER"):
        build_engine(path, tmp_path / "page", request=Request("web"))
    assert not (tmp_path / "page").exists()


def test_several_pictures_at_a_time_are_refused(exported: ExportedModels, tmp_path: Path) -> None:
    path = exported(small_networks.unet, output_kind="logits", batch=3).path
    with pytest.raises(EngineError, match=r"one picture at a time, this takes 3; export with --batch 1"):
        build_engine(path, tmp_path / "page", request=Request("web"))


def test_what_no_camera_gives_is_refused(exported: ExportedModels, tmp_path: Path) -> None:
    path = exported(overlapping, output_kind="logits").path
    with pytest.raises(EngineError, match=r"three channels of uint8, this takes 3 of float32"):
        build_engine(path, tmp_path / "page", request=Request("web"))


def overlapping() -> Network:
    return dataclasses.replace(small_networks.unet(), head="multilabel", input_dtype="float32")


def test_a_page_keeps_the_threads_that_were_asked_for(
    exported: ExportedModels, runtime: Path, tmp_path: Path
) -> None:
    path = exported(small_networks.unet, output_kind="labels").path
    request = Request("web", threads=1, options={"runtime": runtime})
    built = build_engine(path, tmp_path / "page", request=request)
    assert built.manifest.options["threads"] == 1
    with closing(open_backend(tmp_path / "page", built.manifest)) as page:
        assert isinstance(page, WebBackend)
        assert page.computes_in.endswith("WASM with 1 thread")
