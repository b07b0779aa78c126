"""Which of the CRF's kernels runs: the fastest that this machine has, or the one that a user asks for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.crf import DenseCRF, kernel


@pytest.fixture
def built(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A folder in place of the one with the compiled libraries; none is opened."""
    monkeypatch.setattr(kernel, "_path", lambda name: tmp_path / name)
    monkeypatch.setattr(kernel, "_open", lambda name: pytest.fail(f"{name} was opened"))
    monkeypatch.delenv(kernel.VARIABLE, raising=False)
    kernel.runnable.cache_clear()
    yield tmp_path
    kernel.runnable.cache_clear()


@pytest.mark.skipif(shutil.which("g++") is None, reason="there is no g++")
def test_where_there_is_a_compiler_the_kernel_without_avx2_is_tested() -> None:
    assert "baseline" in kernel.runnable(), "edgeseg was installed without its kernel; install it again"


def test_the_kernel_asked_for_is_the_one_that_runs(each_kernel: str) -> None:
    assert kernel.in_use() == each_kernel
    library = kernel.load()
    assert (library is None) == (each_kernel == "numpy")
    assert library is None or library._name.endswith(f"_kernel_{each_kernel}.so")


@pytest.mark.parametrize("text", ["", None])
def test_the_fastest_runs_unless_one_is_asked_for(text: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(kernel.VARIABLE, raising=False)
    if text is not None:
        monkeypatch.setenv(kernel.VARIABLE, text)
    assert kernel.in_use() == kernel.runnable()[0]


def test_a_word_that_names_no_kernel_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(kernel.VARIABLE, "AVX2")
    with pytest.raises(UsageError, match="_CRF_KERNEL must be one of avx2, baseline, numpy, got 'AVX2'"):
        DenseCRF()


def test_a_kernel_that_this_cpu_cannot_run_is_refused(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Library:
        edgeseg_crf_has_avx2 = staticmethod(lambda: 0)

    for name in ("baseline", "avx2"):
        (built / name).touch()
    monkeypatch.setattr(kernel, "_open", lambda name: {"baseline": Library}[name])
    assert kernel.runnable() == ("baseline", "numpy")
    monkeypatch.setenv(kernel.VARIABLE, "avx2")
    with pytest.raises(UsageError, match=r"=avx2: this CPU has no AVX2; .* choose of baseline, numpy"):
        kernel.load()


def test_a_kernel_that_was_not_built_is_refused(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert kernel.runnable() == ("numpy",)
    assert kernel.load() is None
    monkeypatch.setenv(kernel.VARIABLE, "baseline")
    with pytest.raises(UsageError, match=r"=baseline: that kernel was not built; .* choose of numpy"):
        kernel.load()


def test_a_crf_keeps_the_kernel_that_it_was_made_with(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = np.random.default_rng(0).normal(0, 2, (3, 20, 20)).astype(np.float32)
    image = np.random.default_rng(1).integers(0, 256, (20, 20, 3), np.uint8)
    monkeypatch.setenv(kernel.VARIABLE, kernel.runnable()[0])
    field = DenseCRF()
    before = field(logits, image, marginals=True)
    monkeypatch.setenv(kernel.VARIABLE, "no kernel")
    np.testing.assert_array_equal(field(logits, image, marginals=True).marginals, before.marginals)
