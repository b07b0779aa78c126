"""What tests of pages share: ONNX Runtime Web, fetched once, and pages of small networks, built once."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edgeseg.engines.building.build import build_engine
from edgeseg.engines.request import Request
from edgeseg.engines.web.browser import find_browser
from edgeseg.engines.web.runtime_files import fetch
from edgeseg.models.network import Network
from tests.conftest import of_all_processes
from tests.exported_models import ExportedModels

MakePage = Callable[..., Path]


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the npm package as a file."""
    if shutil.which("npm") is None:
        pytest.skip("needs npm")
    path = of_all_processes(tmp_path_factory, "npm") / "onnxruntime-web.tgz"
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            path.write_bytes(fetch(lambda step: None))
    return path


@pytest.fixture(scope="session")
def page_of(
    runtime: Path, exported: ExportedModels, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[MakePage]:
    """Give folders of pages, each built once: `page_of(unet, output_kind="labels")`."""
    if find_browser() is None:
        pytest.skip("needs chromium")
    made: dict[str, Path] = {}

    def make(network: Callable[..., Network], **settings: Any) -> Path:
        key = f"{network.__name__} {settings}"
        if key not in made:
            folder = tmp_path_factory.mktemp("page") / "page"
            request = Request("web", options={"runtime": runtime})
            build_engine(exported(network, **settings).path, folder, request=request)
            made[key] = folder
        return made[key]

    yield make
    for folder in made.values():  # 41 MB each
        shutil.rmtree(folder)
