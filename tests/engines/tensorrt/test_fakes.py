"""The fakes have the calls of the libraries that are installed, with their parameters, and tell of misuse."""

from __future__ import annotations

import inspect
import re
from typing import Any

import numpy as np
import pytest

from .fake_cuda import INVALID_VALUE, FakeCuda
from .fake_tensorrt import Context, Engine, library

CALLS = [name for name in vars(FakeCuda) if name.startswith("cuda")]
METHODS = [
    *((Context, "IExecutionContext", name) for name in ("set_tensor_address", "execute_async_v3")),
    *((Engine, "ICudaEngine", name) for name in ("get_tensor_name", "get_tensor_shape", "get_tensor_dtype")),
    *((Engine, "ICudaEngine", name) for name in ("get_tensor_mode", "create_execution_context")),
    *((Engine, "ICudaEngine", name) for name in ("create_runtime_config",)),
    *((Engine, "IRuntimeConfig", name) for name in ("create_runtime_cache", "set_runtime_cache")),
    *((Engine, "IRuntimeCache", name) for name in ("serialize", "deserialize")),
]


@pytest.mark.parametrize("name", CALLS)
def test_calls_of_cuda_are_those_of_its_bindings(name: str) -> None:
    bindings = pytest.importorskip("cuda.bindings.runtime")
    real, fake = getattr(bindings, name), getattr(FakeCuda, name)
    if not callable(fake):
        assert set(vars(fake) if hasattr(fake, "__dict__") else ()) <= set(dir(real))
        return
    (signature,) = re.findall(rf"^{name}\((.*)\)", real.__doc__.splitlines()[0])
    wanted = [part.split(":")[0].split()[-1] for part in signature.split(", ") if part]
    assert [*inspect.signature(fake).parameters][1:] == wanted


@pytest.mark.parametrize(("fake", "kind", "name"), METHODS)
def test_calls_of_tensorrt_are_those_of_its_bindings(fake: type, kind: str, name: str) -> None:
    real = pytest.importorskip("tensorrt_rtx")
    if not hasattr(real, "ICudaEngine"):
        pytest.skip("tensorrt_rtx is installed without its library")
    said = getattr(getattr(real, kind), name).__doc__
    signatures = [line for line in said.splitlines() if f"{name}(self" in line]  # one a way to call it
    parameters = [f"{parameter}:" for parameter in inspect.signature(getattr(fake, name)).parameters][1:]
    assert any(all(parameter in line for parameter in parameters) for line in signatures)


def test_names_of_the_library_are_there() -> None:
    real = pytest.importorskip("tensorrt_rtx")
    fake = library(FakeCuda())
    missing = [name for name in vars(fake) if not hasattr(real, name)]
    assert missing == []
    assert {"INPUT"} <= set(dir(real.TensorIOMode))
    assert {"INTERNAL_ERROR", "ERROR"} <= set(dir(real.Logger))


def misuse_twice(gpu: FakeCuda, stream: Any, address: int) -> None:
    gpu.cudaFree(address)
    gpu.cudaFree(address)


def misuse_freed(gpu: FakeCuda, stream: Any, address: int) -> None:
    gpu.cudaFree(address)
    gpu.cudaMemcpyAsync(address, gpu.cudaHostAlloc(4, 0)[1] or 0, 4, 1, stream)


def misuse_at_work(gpu: FakeCuda, stream: Any, address: int) -> None:
    gpu.cudaMemcpyAsync(address, gpu.cudaHostAlloc(4, 0)[1] or 0, 4, 1, stream)
    gpu.cudaFree(address)


def misuse_size(gpu: FakeCuda, stream: Any, address: int) -> None:
    gpu.cudaMemcpyAsync(address, gpu.cudaHostAlloc(8, 0)[1] or 0, 8, 1, stream)


def misuse_direction(gpu: FakeCuda, stream: Any, address: int) -> None:
    gpu.cudaMemcpyAsync(address, gpu.cudaHostAlloc(4, 0)[1] or 0, 4, 2, stream)


def misuse_stream(gpu: FakeCuda, stream: Any, address: int) -> None:
    gpu.cudaMemcpyAsync(address, gpu.cudaHostAlloc(4, 0)[1] or 0, 4, 1, stream)
    gpu.cudaStreamDestroy(stream)


@pytest.mark.parametrize(
    "misuse", [misuse_twice, misuse_freed, misuse_at_work, misuse_size, misuse_direction, misuse_stream]
)
def test_the_fake_tells_of_misuse(misuse: Any) -> None:
    gpu = FakeCuda()
    _, stream = gpu.cudaStreamCreate()
    _, address = gpu.cudaMalloc(4)
    with pytest.raises(AssertionError) as caught:
        misuse(gpu, stream, address)
    assert gpu.faults == [str(caught.value)]


def test_copies_are_done_when_the_stream_is_waited_for() -> None:
    gpu = FakeCuda()
    _, stream = gpu.cudaStreamCreate()
    (_, host), (_, device) = gpu.cudaHostAlloc(4, 0), gpu.cudaMalloc(4)
    assert host is not None
    assert device is not None
    gpu.cudaMemcpyAsync(device, host, 4, 1, stream)
    gpu.memory(host)[:] = 7  # until the wait, it is this that is copied
    assert not np.array_equal(gpu.memory(device), [7] * 4)
    gpu.cudaStreamSynchronize(stream)
    np.testing.assert_array_equal(gpu.memory(device), [7] * 4)
    gpu.failing = gpu.calls
    assert gpu.cudaStreamSynchronize(stream) == (INVALID_VALUE,)
