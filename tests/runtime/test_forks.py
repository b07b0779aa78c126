"""A forked child is told that its parent's engines and threads are not its own, and hangs on none of them."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from .tiny_models import logits_engine

HANGS_S = 60.0  # a child needs a second

# Makes `owner`, which takes threads; `use()` uses it.
SEGMENTER = """
from edgeseg.runtime import Segmenter
owner = Segmenter.open(sys.argv[1], crf=True, threads=min(2, os.cpu_count()))
use = lambda: owner(np.zeros((64, 64, 3), np.uint8))
"""
CRF = """
from edgeseg.runtime.crf.dense_crf import DenseCRF
owner = DenseCRF(threads=THREADS)
logits = np.zeros((2, 64, 64), np.float32)
logits[1, 20:40] = 9
use = lambda: owner(logits, np.zeros((64, 64, 3), np.uint8)).labels
"""
PRELUDE = """
import gc, multiprocessing, os, sys, threading
import numpy as np
from edgeseg.errors import EdgesegError
MAKE
def used(queue):
    try:
        use()
        queue.put("no error")
    except EdgesegError as error:
        queue.put(str(error))
before = use()
"""
POOL = """
context = multiprocessing.get_context("fork")
queue = context.SimpleQueue()
child = context.Process(target=used, args=(queue,))
child.start()
print(queue.get())
child.join()
assert child.exitcode == 0
"""
FREE = """
if not os.fork():
    del owner, use
    gc.collect()
    sys.exit()
assert os.wait()[1] == 0
"""
END = """
if not os.fork():
    getattr(owner, "close", lambda: None)()
    sys.exit()
assert os.wait()[1] == 0
"""
BUSY = """
stop = threading.Event()
def work():
    while not stop.is_set():
        use()
busy = threading.Thread(target=work)
busy.start()
try:
    for _ in range(20):
        if not os.fork():
            queue = multiprocessing.SimpleQueue()
            used(queue)
            print(queue.get(), flush=True)
            os._exit(0)
        assert os.wait()[1] == 0
finally:
    stop.set()
    busy.join()
"""
STILL_OURS = """
use()
getattr(owner, "close", lambda: None)()
"""


def run(make: str, *steps: str, engine: Path | None = None) -> str:
    program = "".join([PRELUDE.replace("MAKE", make), *steps, STILL_OURS])
    command = [sys.executable, "-W", "ignore:.*fork:DeprecationWarning", "-c", program, str(engine)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=HANGS_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(params=["onnxruntime", "onnxruntime in batches", "openvino", "mnn"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = logits_engine(tmp_path / "engine", (64, 64), batch=2 if "batches" in request.param else 1)
    if request.param.startswith("onnxruntime"):
        return made
    if request.param == "mnn":
        if find_spec("MNN") is None:
            pytest.skip("MNN is not installed")
        from tests.engines.mnn.test_open import converted

        return converted(made)
    pytest.importorskip("openvino")
    from tests.engines.openvino.test_open import compiled

    return compiled(made)


def test_a_child_cannot_use_its_parents_segmenter_and_frees_nothing_of_it(engine: Path) -> None:
    said = run(SEGMENTER, POOL, FREE, END, engine=engine)
    assert "opened before this process was forked" in said
    assert "'spawn'" in said


def test_a_child_cannot_use_its_parents_threads() -> None:
    assert "made before this process was forked" in run(CRF.replace("THREADS", "2"), POOL, FREE, END)


def test_a_crf_without_threads_goes_with_the_child() -> None:
    said = run(CRF.replace("THREADS", "1"), POOL, FREE, END, BUSY)
    assert set(said.splitlines()) == {"no error"}


@pytest.mark.parametrize(
    ("make", "batch"), [(SEGMENTER, 1), (SEGMENTER, 2), (CRF.replace("THREADS", "2"), 1)]
)
def test_a_parent_at_work_makes_no_difference(make: str, batch: int, tmp_path: Path) -> None:
    said = run(make, BUSY, engine=logits_engine(tmp_path / "engine", (64, 64), batch=batch))
    assert len(said.splitlines()) == 20
    assert all("before this process was forked" in line for line in said.splitlines())
