"""One build reads, hashes and infers each thing once."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from edgeseg.engines.backend import open_backend
from edgeseg.engines.building import conversion
from edgeseg.engines.building.build import build_engine
from edgeseg.engines.job import Request
from edgeseg.graph import portable
from edgeseg.graph.content import Content
from edgeseg.graph.portable import PortableModel
from edgeseg.graph.precision.convert import Calibration
from edgeseg.graph.view import GraphView
from edgeseg.manifest import Manifest
from edgeseg.scenes.pictures import pictures
from edgeseg.spec import Precision
from tests.export import small_networks
from tests.exported_models import ExportedModels

IMAGES = pictures(range(20, 24), small_networks.SIZE_HW)
MEASURED_ELSEWHERE = ("building, and measuring options", "comparing with fp32 for speed")


class Counts:
    """Counts calls, and the images that finished engines are proven on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        self.views: list[Any] = []
        self.proven_on: Counter[bytes] = Counter()
        self._step = ""
        self._count(monkeypatch, onnx, "load_model_from_string", "parsed")
        self._count(monkeypatch, Content, "read", "read")
        self._count(monkeypatch, Content, "sha256", "file hashed")
        self._count(monkeypatch, portable, "graph_sha256", "graph hashed")
        seen = GraphView.__init__

        def look(view: GraphView, model: Any, *args: Any) -> None:
            self.views.append(model)
            seen(view, model, *args)

        monkeypatch.setattr(GraphView, "__init__", look)

    def _count(self, monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, what: str) -> None:
        function = getattr(owner, name)

        def counted(*args: Any, **kwargs: Any) -> Any:
            self.calls[what] += 1
            return function(*args, **kwargs)

        monkeypatch.setattr(owner, name, counted)

    def on_step(self, step: str) -> None:
        self._step = step

    def open_engine(self, folder: Path, manifest: Manifest) -> Any:
        engine = open_backend(folder, manifest)
        infer = engine.infer

        def counted(images: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
            if self._step == "comparing with PyTorch":
                self.proven_on.update(image.tobytes() for image in images)
            return infer(images)

        engine.infer = counted  # type: ignore[method-assign]
        return engine


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_build_reads_hashes_and_infers_once(
    precision: Precision, exported: ExportedModels, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = exported(small_networks.unet).path
    counts = Counts(monkeypatch)
    monkeypatch.setattr(conversion, "saturates", lambda request, open_engine: False)  # by a graph of its own
    calibration = Calibration(IMAGES, "minmax", max_drop=100.0)
    build_engine(
        model,
        tmp_path / "engine",
        open_engine=counts.open_engine,
        request=Request(precision=precision, threads=1),
        images=IMAGES,
        calibration=None if precision == "fp32" else calibration,
        on_step=counts.on_step,
    )
    parsed = 1 + (precision == "fp32")  # passes read what was let go, for memory, again
    hashed = 1 + (precision == "int8")  # the model, and the int8 one that times are kept of
    once = {"parsed": parsed, "file hashed": hashed, "graph hashed": 1}
    assert {name: counts.calls[name] for name in once} == once
    assert len(counts.views) == len({id(model) for model in counts.views}) == (precision == "int8")
    proven_on = np.concatenate([pictures((0, 1), small_networks.SIZE_HW), IMAGES])
    assert counts.proven_on >= Counter(image.tobytes() for image in proven_on)
    frames = PortableModel.read(model).golden.frames
    assert counts.proven_on.total() == len(counts.proven_on) == len(proven_on) + len(frames)
