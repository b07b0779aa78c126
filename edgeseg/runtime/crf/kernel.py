"""Call the kernel, a shared library without Python in it; ctypes lets go of the GIL meanwhile.

It is compiled twice: for any CPU of its kind (`baseline`), and for x86-64 with AVX2 and FMA (`avx2`); `numpy`
stands for neither (`numpy_kernel`). The environment's EDGESEG_CRF_KERNEL asks for one of the three by name.
"""

from __future__ import annotations

import ctypes
import os
import threading
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, UsageError
from edgeseg.forks import tell_of_forks

VARIABLE = "EDGESEG_CRF_KERNEL"
KERNELS = ("avx2", "baseline", "numpy")
"""What it may hold, the fastest first."""

NOT_FINITE, OUT_OF_MEMORY = 1, 2
FORKED = (
    "the CRF was made before this process was forked, and its threads are not here; make one in each "
    "process, start processes by 'spawn', or use threads=1"
)


class Parameters(ctypes.Structure):
    """`edgeseg::Parameters`, field by field."""

    _fields_ = (
        ("appearance_position_px", ctypes.c_float),
        ("appearance_colour", ctypes.c_float),
        ("appearance_weight", ctypes.c_float),
        ("smoothness_position_px", ctypes.c_float),
        ("smoothness_weight", ctypes.c_float),
        ("iterations", ctypes.c_int32),
        ("normalisation", ctypes.c_int32),
        ("sure", ctypes.c_float),
        ("settled", ctypes.c_float),
    )


def in_use() -> str:
    """Name the kernel that VARIABLE asks for, or else the fastest that runs here.

    Raises:
        UsageError: if VARIABLE holds another word, or the name of a kernel that does not run here.
    """
    wanted = os.environ.get(VARIABLE)
    if not wanted:
        return runnable()[0]
    if wanted not in KERNELS:
        raise UsageError(
            f"{VARIABLE} must be one of {', '.join(KERNELS)}, got {wanted!r}; unset it for the fastest"
        )
    if wanted not in runnable():
        lacks = "this CPU has no AVX2" if _path(wanted).exists() else "that kernel was not built"
        raise UsageError(f"{VARIABLE}={wanted}: {lacks}; unset it, or choose of {', '.join(runnable())}")
    return wanted


@cache
def runnable() -> tuple[str, ...]:
    """Name the kernels that were built and that this CPU has the instructions for, the fastest first."""
    if not _path("baseline").exists():
        return ("numpy",)
    has_avx2 = _path("avx2").exists() and _open("baseline").edgeseg_crf_has_avx2()
    return KERNELS if has_avx2 else ("baseline", "numpy")


def load() -> ctypes.CDLL | None:
    """Open the library of the kernel in use; None stands for NumPy. Raises UsageError as `in_use` does."""
    name = in_use()
    return None if name == "numpy" else _open(name)


def _path(name: str) -> Path:
    return Path(__file__).with_name(f"_kernel_{name}.so")


@cache
def _open(name: str) -> ctypes.CDLL:
    library = ctypes.CDLL(str(_path(name)))
    library.edgeseg_crf_new.restype = ctypes.c_void_p
    library.edgeseg_crf_new.argtypes = [ctypes.c_int]
    library.edgeseg_crf_free.restype = None
    library.edgeseg_crf_free.argtypes = [ctypes.c_void_p]
    pointer, integer = ctypes.c_void_p, ctypes.c_int
    library.edgeseg_crf_infer.argtypes = [
        *(pointer, ctypes.POINTER(Parameters), pointer, pointer, integer, integer, pointer),
        *(pointer, integer, integer, pointer, pointer, integer, pointer, pointer),
    ]
    library.edgeseg_crf_double_labels.restype = None
    library.edgeseg_crf_double_labels.argtypes = [
        *(pointer, pointer, integer, integer, pointer, integer, integer, pointer),
    ]
    return library


def doubled_labels(
    library: ctypes.CDLL, labels: NDArray[np.uint8], image: NDArray[np.uint8], frame: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """Do what `refinement.doubled_labels` says; shapes fit, and arrays are C-contiguous."""
    full = np.empty(frame.shape[:2], np.uint8)
    library.edgeseg_crf_double_labels(
        *(_pointer(labels), _pointer(image), *labels.shape, _pointer(frame), *full.shape, _pointer(full))
    )
    return full


class Kernel:
    """The kernel with the memory that it keeps from frame to frame; one frame at a time."""

    def __init__(self, library: ctypes.CDLL, threads: int) -> None:
        self._library = library
        self._threads = threads
        self._start()
        tell_of_forks(self)

    def _start(self) -> None:
        self._lock = threading.Lock()
        self._field: int | None = self._library.edgeseg_crf_new(self._threads)
        if not self._field:
            raise UsageError(f"{self._threads} threads for the CRF could not be started; ask for fewer")

    def forked(self) -> None:
        """Leave the parent's kernel alone, whose threads are not here, and which may be at work."""
        self._field = None
        if self._threads == 1:
            self._start()

    def infer(
        self,
        parameters: Parameters,
        compatibility: NDArray[np.float32] | None,
        image: NDArray[np.uint8],
        logits: NDArray[np.float32],
        *,
        positions: tuple[NDArray[np.float32], NDArray[np.float32]] | None,
        chosen: NDArray[np.uint8] | None,
        marginals: NDArray[np.float32] | None,
    ) -> NDArray[np.uint8]:
        """Label every pixel; arrays are C-contiguous, and `marginals` (C, H, W) is written to.

        Raises:
            ShapeError: if a logit is not finite.
            UsageError: if memory ends, or the kernel's threads belong to the process that this one was forked
                from.
        """
        if self._field is None:
            raise UsageError(FORKED)
        height, width = image.shape[:2]
        labels = np.empty((height, width), np.uint8)
        rows, columns = positions or (None, None)
        with self._lock:
            outcome = self._library.edgeseg_crf_infer(
                self._field,
                ctypes.byref(parameters),
                _pointer(compatibility),
                _pointer(image),
                height,
                width,
                _pointer(chosen),
                _pointer(logits),
                *logits.shape[1:],
                _pointer(rows),
                _pointer(columns),
                len(logits),
                _pointer(labels),
                _pointer(marginals),
            )
        if outcome == NOT_FINITE:
            raise not_finite()
        if outcome == OUT_OF_MEMORY:
            raise UsageError(f"no memory for a CRF of {width}x{height} pixels and {len(logits)} classes")
        return labels

    def __del__(self) -> None:
        """Free the kernel's memory and end its threads."""
        if getattr(self, "_field", None):
            self._library.edgeseg_crf_free(self._field)
            self._field = None


def not_finite() -> ShapeError:
    """Say what is wrong with the logits."""
    return ShapeError(
        "logits must be finite and within 1e6; probabilities become logits by logits_from_probabilities"
    )


def _pointer(array: NDArray[Any] | None) -> int | None:
    return None if array is None else array.ctypes.data
