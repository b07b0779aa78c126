"""A CUDA runtime without a GPU, as `cuda.bindings.runtime`, that keeps account of what it is asked.

Memory of the GPU has addresses that nothing on the host can read. What is queued on a stream happens when the
stream is waited for, never before: a wait that is missing gives the numbers of the run before. Whatever CUDA
leaves undefined (freeing twice, using what is freed, freeing what queued work uses) is an AssertionError, and
is kept in `faults`.
"""
# ruff: noqa: N802, N815 - the names are CUDA's

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

OK, INVALID_VALUE, OUT_OF_MEMORY, NO_DEVICE, CAPTURE_UNSUPPORTED, CAPTURE_INVALIDATED = 0, 1, 2, 100, 900, 901
WORDS = {OK: b"no error", INVALID_VALUE: b"invalid argument", OUT_OF_MEMORY: b"out of memory"}
WORDS |= {NO_DEVICE: b"no CUDA-capable device is detected", CAPTURE_INVALIDATED: b"capture invalidated"}
WORDS |= {CAPTURE_UNSUPPORTED: b"operation not permitted when stream is capturing"}
FREED = 0xDD  # what freed memory holds
FIRST_ADDRESS, ADDRESS_STEP = 1 << 56, 1 << 32  # beyond what processors map: reading there ends the process


class Handle(int):
    """A stream, graph or the like: what the bindings give is no number, but may become one."""


class Work(NamedTuple):
    """Something that a stream will do, and the memory and objects that it uses meanwhile."""

    do: Callable[[], object]
    uses: frozenset[int]


class Queue:
    """A stream's work; `captured` takes it while the stream is captured."""

    def __init__(self) -> None:
        self.work: list[Work] = []
        self.captured: list[Work] | None = None

    def add(self, *work: Work) -> None:
        (self.work if self.captured is None else self.captured).extend(work)


class FakeCuda:
    """The calls that edgeseg makes of the CUDA runtime; an instance stands for the module.

    Args:
        failing: number of the call that fails, of those that allocate, queue, wait or ask.
        stays_broken: all calls after it fail, too, as they do when a kernel has crashed.

    Attributes:
        calls: how many calls there were that could have failed.
        held: what was taken and not yet given back: its kind by its address or number.
        faults: what must never happen and did.
        during_wait: called by whoever waits for a stream, before its work is done.
    """

    cudaHostAllocDefault = 0
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    cudaMemcpyKind = SimpleNamespace(
        cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2, cudaMemcpyDeviceToDevice=3
    )

    def __init__(self, failing: int | None = None, *, stays_broken: bool = False) -> None:
        self.failing, self.stays_broken = failing, stays_broken
        self.calls = 0
        self.held: dict[int, str] = {}
        self.faults: list[str] = []
        self.during_wait: Callable[[], object] = lambda: None
        self._lock = threading.RLock()
        self._next = FIRST_ADDRESS
        self._memory: dict[int, NDArray[np.uint8]] = {}  # freed blocks, too: nobody else gets their addresses
        self._blocks: list[Any] = []  # keeps the host's memory
        self._queues: dict[int, Queue] = {}
        self._graphs: dict[int, list[Work]] = {}

    def fails(self) -> bool:
        """Count a call that may fail, and say whether this is the one that does."""
        with self._lock:
            number, self.calls = self.calls, self.calls + 1
        return self.failing is not None and (
            number == self.failing or (self.stays_broken and number > self.failing)
        )

    def take(self, kind: str, address: int | None = None) -> Handle:
        """Give out something that must be given back."""
        with self._lock:
            if address is None:
                address, self._next = self._next, self._next + ADDRESS_STEP
            self.held[address] = kind
            return Handle(address)

    def give(self, kind: str, handle: Any) -> None:
        """Take something back."""
        with self._lock:
            if self.held.get(int(handle)) != kind:
                self.fault(f"a {kind} is freed that is not held: {int(handle):#x}")
            if any(int(handle) in work.uses for queue in self._queues.values() for work in queue.work):
                self.fault(f"a {kind} is freed that queued work uses")
            del self.held[int(handle)]

    def fault(self, text: str) -> None:
        """Keep what must never happen, and stop it."""
        self.faults.append(text)
        raise AssertionError(text)

    def queue(self, stream: Any, do: Callable[[], object], uses: set[int]) -> None:
        """Queue work on a stream, or record it where the stream is captured."""
        self._check("stream", stream)
        self._queues[int(stream)].add(Work(do, frozenset(uses)))

    def is_captured(self, stream: Any) -> bool:
        """Whether what is queued on a stream is recorded."""
        return self._queues[int(stream)].captured is not None

    def memory(self, address: int) -> NDArray[np.uint8]:
        """Give the bytes of a block on the GPU or of page-locked memory, which must be held."""
        if self.held.get(address) not in ("device memory", "host memory"):
            self.fault(f"memory is used that is not held: {address:#x}")
        return self._memory[address]

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return OK, WORDS[error]

    def cudaGetDeviceCount(self) -> tuple[int, int | None]:
        return (NO_DEVICE, None) if self.fails() else (OK, 1)

    def cudaGetDevice(self) -> tuple[int, int | None]:
        return (INVALID_VALUE, None) if self.fails() else (OK, 0)

    def cudaGetDeviceProperties(self, device: int) -> tuple[int, Any]:
        if self.fails():
            return INVALID_VALUE, None
        return OK, SimpleNamespace(name=b"NVIDIA Fake", major=8, minor=6)

    def cudaDriverGetVersion(self) -> tuple[int, int | None]:
        return (INVALID_VALUE, None) if self.fails() else (OK, 13000)

    def cudaHostAlloc(self, size: int, flags: int) -> tuple[int, int | None]:
        if self.fails():
            return OUT_OF_MEMORY, None
        block = (ctypes.c_uint8 * size)()
        self._blocks.append(block)
        return OK, self._allocate("host memory", np.ctypeslib.as_array(block), ctypes.addressof(block))

    def cudaFreeHost(self, ptr: int) -> tuple[int]:
        return self._free("host memory", ptr)

    def cudaMalloc(self, size: int) -> tuple[int, int | None]:
        if self.fails():
            return OUT_OF_MEMORY, None
        return OK, self._allocate("device memory", np.full(size, FREED, np.uint8))

    def cudaFree(self, devPtr: int) -> tuple[int]:  # noqa: N803
        return self._free("device memory", devPtr)

    def cudaMemcpyAsync(self, dst: int, src: int, count: int, kind: int, stream: Any) -> tuple[int]:
        if self.fails():
            return (INVALID_VALUE,)
        device, host = "device memory", "host memory"
        sides = {1: (device, host), 2: (host, device), 3: (device, device)}[kind]
        for address, side in zip((dst, src), sides, strict=True):
            self._check(side, address)
            if count > self._memory[address].size:
                self.fault("a copy leaves its block of memory")

        def copy() -> None:
            self.memory(dst)[:count] = self.memory(src)[:count]

        self.queue(stream, copy, {dst, src})
        return (OK,)

    def cudaStreamCreate(self) -> tuple[int, Handle | None]:
        if self.fails():
            return OUT_OF_MEMORY, None
        handle = self.take("stream")
        self._queues[handle] = Queue()
        return OK, handle

    def cudaStreamDestroy(self, stream: Any) -> tuple[int]:
        if (queue := self._queues.get(int(stream))) and (queue.work or queue.captured is not None):
            self.fault("a stream is destroyed with its work")
        self.give("stream", stream)
        return (OK,)

    def cudaStreamSynchronize(self, stream: Any) -> tuple[int]:
        self._check("stream", stream)
        queue = self._queues[int(stream)]
        if queue.captured is not None:
            return (CAPTURE_UNSUPPORTED,)
        self.during_wait()
        failed = self.fails()
        while queue.work:  # work that has crashed is over, too
            work = queue.work[0]
            for used in work.uses:
                if used not in self.held:
                    self.fault(f"queued work uses what was freed: {used:#x}")
            if not failed:
                work.do()
            queue.work.pop(0)
        return (INVALID_VALUE if failed else OK,)

    def cudaStreamBeginCapture(self, stream: Any, mode: int) -> tuple[int]:
        self._check("stream", stream)
        if self.fails():
            return (INVALID_VALUE,)
        queue = self._queues[int(stream)]
        if queue.captured is not None:
            self.fault("a stream is captured twice")
        queue.captured = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: Any) -> tuple[int, Handle | None]:
        self._check("stream", stream)
        queue = self._queues[int(stream)]
        recorded, queue.captured = queue.captured, None
        if recorded is None:
            self.fault("a capture ends that has not begun")
        if self.fails():
            return CAPTURE_INVALIDATED, None
        handle = self.take("graph")
        self._graphs[handle] = list(recorded or ())
        return OK, handle

    def cudaGraphInstantiate(self, graph: Any, flags: int) -> tuple[int, Handle | None]:
        self._check("graph", graph)
        if self.fails():
            return OUT_OF_MEMORY, None
        handle = self.take("executable graph")
        self._graphs[handle] = list(self._graphs[int(graph)])
        return OK, handle

    def cudaGraphDestroy(self, graph: Any) -> tuple[int]:
        self.give("graph", graph)
        return (OK,)

    def cudaGraphLaunch(self, graphExec: Any, stream: Any) -> tuple[int]:  # noqa: N803
        self._check("executable graph", graphExec)
        self._check("stream", stream)
        if self.fails():
            return (INVALID_VALUE,)
        self._queues[int(stream)].add(*self._graphs[int(graphExec)])
        return (OK,)

    def cudaGraphExecDestroy(self, graphExec: Any) -> tuple[int]:  # noqa: N803
        self.give("executable graph", graphExec)
        return (OK,)

    def _allocate(self, kind: str, block: NDArray[np.uint8], address: int | None = None) -> int:
        handle = self.take(kind, address)
        self._memory[handle] = block
        return int(handle)

    def _free(self, kind: str, address: int) -> tuple[int]:
        self.give(kind, address)
        self._memory[int(address)][:] = FREED
        return (OK,)

    def _check(self, kind: str, handle: Any) -> None:
        if self.held.get(int(handle)) != kind:
            self.fault(f"a {kind} is used that is not held: {int(handle):#x}")
