"""A forked child leaves its parent's GPU alone: it infers nothing, and frees nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from .fake_tensorrt import write_fake_engine

ROOT = Path(__file__).parents[3]
HANGS_S = 60.0
PROGRAM = """
import gc, os, sys
import numpy as np
from edgeseg.manifest import read_manifest
from edgeseg.engines.backend import open_backend
from edgeseg.errors import EngineError
from pathlib import Path
from tests.engines.tensorrt.fake_cuda import FakeCuda
from tests.engines.tensorrt.fake_tensorrt import answer, library

gpu = FakeCuda()
sys.modules["cuda.bindings.runtime"] = gpu
sys.modules["tensorrt"] = library(gpu)
folder = Path(sys.argv[1])
backend = open_backend(folder, read_manifest(folder))
image = np.full((1, 4, 6, 3), 200, np.uint8)
backend.infer(image)
held, calls = dict(gpu.held), gpu.calls
if not os.fork():
    try:
        backend.infer(image)
    except EngineError as error:
        print(error, flush=True)
    backend.close()
    del backend
    gc.collect()
    assert gpu.held == held
    assert gpu.calls == calls
    sys.exit()
assert os.wait()[1] == 0
assert (backend.infer(image)["total"] == answer(image)["total"]).all()
backend.close()
assert gpu.held == {}
assert gpu.faults == []
"""


def test_a_child_frees_nothing_and_the_parent_goes_on(tmp_path: Path) -> None:
    folder = write_fake_engine(tmp_path / "engine", (4, 6))
    command = [sys.executable, "-W", "ignore:.*fork:DeprecationWarning", "-c", PROGRAM, folder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    assert "opened before this process was forked" in done.stdout
