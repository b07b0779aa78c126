"""TensorRT's running side on a fake GPU: outputs are right, and nothing is left behind, whatever fails."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgeseg.engines.backend import Backend, open_backend
from edgeseg.engines.tensorrt.buffers import Stream
from edgeseg.engines.tensorrt.open import TensorRTBackend
from edgeseg.errors import EngineError, NoDeviceError, UsageError
from edgeseg.manifest import read_manifest, sha256_of
from edgeseg.runtime import Segmenter

from .fake_cuda import FakeCuda
from .fake_tensorrt import PLAN, Engine, answer, library, write_fake_engine

SIZE_HW = (4, 6)
SHAPE = (1, *SIZE_HW, 3)
NAMES = ("image", "labels", "total")
WAIT_S = 10.0
TENSORRT_BACKENDS = ("tensorrt", "tensorrt_rtx")


@pytest.fixture(params=TENSORRT_BACKENDS)
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An engine with two contexts, of TensorRT and of TensorRT for RTX."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return write_fake_engine(tmp_path / "engine", SIZE_HW, backend=request.param)


def opened(folder: Path) -> Backend:
    return open_backend(folder, read_manifest(folder))


def images(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, *SHAPE), np.uint8)


def assert_right(outputs: dict[str, Any], image: np.ndarray) -> None:
    expected = answer(image)
    assert set(outputs) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(outputs[name], value)


def machines_that_fail(install: Callable[[FakeCuda], FakeCuda], *, stays_broken: bool) -> Iterator[FakeCuda]:
    """Give GPUs of which one call after the other fails, until there is no such call in what is done."""
    for failing in itertools.count():
        gpu = install(FakeCuda(failing, stays_broken=stays_broken))
        yield gpu
        if gpu.calls <= failing:
            assert failing > 20
            return


def test_outputs_are_those_of_the_image_and_the_callers(folder: Path, gpu: FakeCuda) -> None:
    backend = opened(folder)
    kept = [(image, backend.infer(image)) for image in images(5)]
    for image, outputs in kept:
        assert_right(outputs, image)
    backend.close()
    for image, outputs in kept:
        assert_right(outputs, image)


def test_a_segmenter_runs_it(tmp_path: Path, gpu: FakeCuda) -> None:
    frame = images(1)[0, 0]
    with Segmenter.open(write_fake_engine(tmp_path / "engine", SIZE_HW, outputs=["labels"])) as segment:
        np.testing.assert_array_equal(segment(frame).labels, frame[..., 0] > 127)
    assert gpu.held == {}


def test_a_segmenter_gives_back_an_engine_that_is_not_its_models(tmp_path: Path, gpu: FakeCuda) -> None:
    folder = write_fake_engine(tmp_path / "engine", SIZE_HW)
    with pytest.raises(EngineError, match="the graph's outputs are labels, total, its spec says labels"):
        Segmenter.open(folder)
    assert gpu.held == {}


def test_a_wait_that_is_missing_would_be_seen(
    folder: Path, gpu: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fake computes nothing before somebody waits, so the tests above hold the wait in its place."""
    backend = opened(folder)
    image = images(1)[0]
    with monkeypatch.context() as patch:
        patch.setattr(Stream, "synchronize", lambda self: None)
        assert not np.array_equal(backend.infer(image)["total"], answer(image)["total"])
    backend.close()


def test_an_inference_is_one_launch_and_one_wait(folder: Path, gpu: FakeCuda) -> None:
    backend = opened(folder)
    before = gpu.calls
    backend.infer(images(1)[0])
    assert gpu.calls - before == 2
    backend.close()


def test_closing_gives_back_all(folder: Path, gpu: FakeCuda) -> None:
    backend = opened(folder)
    backend.infer(images(1)[0])
    kinds = list(gpu.held.values())
    counts = {
        "context": 2,
        "stream": 2,
        "executable graph": 2,
        "host memory": 6,
        "device memory": 6,
        "graph": 0,
    }
    assert {kind: kinds.count(kind) for kind in counts} == counts
    backend.close()
    backend.close()
    assert gpu.held == {}
    with pytest.raises(EngineError, match="the engine is closed"):
        backend.infer(images(1)[0])


@pytest.mark.parametrize("stays_broken", [False, True])
def test_whatever_fails_at_opening_nothing_stays(
    stays_broken: bool, folder: Path, install: Callable[[FakeCuda], FakeCuda]
) -> None:
    said = set()
    for gpu in machines_that_fail(install, stays_broken=stays_broken):
        try:
            opened(folder).close()
        except (EngineError, NoDeviceError) as error:
            said.add(str(error).split(":")[0])
        assert gpu.held == {}
    assert said == {
        "no NVIDIA GPU can be used here (no CUDA-capable device is detected); see nvidia-smi",
        f"{read_manifest(folder).backend} cannot open {folder}",
        "TensorRT cannot make an execution context; the GPU's memory may be full",
        *(f"TensorRT refuses the memory of {name}; build the engine again here" for name in NAMES),
        "TensorRT cannot run the engine; build it again on this machine",
        "CUDA failed",
    }


@pytest.mark.parametrize("call", [0, 1])
def test_an_inference_that_fails_leaves_the_next_one_right(call: int, folder: Path, gpu: FakeCuda) -> None:
    first, second = images(2)
    backend = opened(folder)
    backend.infer(first)
    gpu.failing = gpu.calls + call  # the launch, the wait
    with pytest.raises(EngineError, match="CUDA failed: invalid argument"):
        backend.infer(first)
    for _ in range(4):  # through both contexts
        assert_right(backend.infer(second), second)
    backend.close()
    assert gpu.held == {}


def test_an_interrupted_wait_leaves_the_next_one_right(folder: Path, gpu: FakeCuda) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    first, second = images(2)
    backend = opened(folder)
    gpu.during_wait = interrupt
    with pytest.raises(KeyboardInterrupt):
        backend.infer(first)
    gpu.during_wait = lambda: None
    for _ in range(4):
        assert_right(backend.infer(second), second)
    gpu.during_wait = interrupt
    with pytest.raises(KeyboardInterrupt):
        backend.infer(first)
    gpu.during_wait = lambda: None
    backend.close()  # while its work is still queued
    assert gpu.held == {}


def test_contexts_serve_several_threads_each_with_its_own_outputs(tmp_path: Path, gpu: FakeCuda) -> None:
    together = threading.Barrier(3)
    backend = opened(write_fake_engine(tmp_path / "engine", SIZE_HW, contexts=3))
    gpu.during_wait = lambda: together.wait(WAIT_S)  # three are at work at the same time
    work = images(60)
    with ThreadPoolExecutor(6) as pool:
        for image, outputs in zip(work, pool.map(backend.infer, work), strict=True):
            assert_right(outputs, image)
    gpu.during_wait = lambda: None
    backend.close()


def test_closing_waits_for_who_runs_and_sends_away_who_waits(folder: Path, gpu: FakeCuda) -> None:
    backend = opened(folder)
    work = images(4)
    reached, go_on = threading.Semaphore(0), threading.Event()

    def hold_up() -> None:
        reached.release()
        assert go_on.wait(WAIT_S)

    gpu.during_wait = hold_up
    with ThreadPoolExecutor(5) as pool:
        running = [pool.submit(backend.infer, image) for image in work[:2]]
        assert reached.acquire(timeout=WAIT_S)
        assert reached.acquire(timeout=WAIT_S)
        waiting = [pool.submit(backend.infer, image) for image in work[2:]]
        gpu.during_wait = lambda: None  # of closing
        closing = pool.submit(backend.close)
        for future in waiting:
            with pytest.raises(EngineError, match="the engine is closed"):
                future.result(WAIT_S)
        assert not closing.done()
        go_on.set()
        for image, future in zip(work, running, strict=False):
            assert_right(future.result(WAIT_S), image)
        closing.result(WAIT_S)
    assert gpu.held == {}


def test_closing_twice_at_once_frees_once(folder: Path, gpu: FakeCuda) -> None:
    backend = opened(folder)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: backend.close(), range(4)))
    assert gpu.held == {}


def test_an_image_of_another_size_or_type_is_refused(folder: Path, gpu: FakeCuda) -> None:
    backend = opened(folder)
    for image in (np.zeros((1, 4, 5, 3), np.uint8), np.zeros(SHAPE, np.float32)):
        with pytest.raises(EngineError, match=r"the engine takes .*uint8"):
            backend.infer(image)  # type: ignore[arg-type]
    backend.close()


def test_an_engine_whose_sizes_depend_on_the_data_is_refused(gpu: FakeCuda) -> None:
    with pytest.raises(EngineError, match="total has a shape that depends on the data"):
        TensorRTBackend(Engine(gpu, SIZE_HW, total=-1), library(gpu), 1, {})  # type: ignore[arg-type]
    assert gpu.held == {}


def test_a_file_that_is_no_engine_says_what_the_library_said(folder: Path, gpu: FakeCuda) -> None:
    (folder / "engine.plan").write_bytes(PLAN[::-1])
    files = {"engine.plan": sha256_of(folder / "engine.plan")}
    with pytest.raises(EngineError, match=r"cannot open .*: the plan is for another version; build it again"):
        open_backend(folder, replace(read_manifest(folder), files=files))
    assert gpu.held == {}


def test_it_opens_on_the_gpu_that_it_was_built_for_alone(folder: Path, gpu: FakeCuda) -> None:
    manifest = read_manifest(folder)
    other = replace(manifest, built_on={**manifest.built_on, "gpu": "NVIDIA Orin, 8.7"})
    with pytest.raises(EngineError, match=r"was built for gpu NVIDIA Orin, 8\.7, here is NVIDIA Fake, 8\.6"):
        open_backend(folder, other)
    with pytest.raises(UsageError, match="run on cuda, not on cpu"):
        open_backend(folder, manifest, device="cpu")
