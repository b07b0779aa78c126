"""Run a test with each of the CRF's kernels."""

from __future__ import annotations

import pytest

from edgeseg.runtime.crf import kernel


@pytest.fixture(params=kernel.KERNELS)
def each_kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Force the kernel without AVX2, the one with it, and NumPy in turn, as a user can."""
    name: str = request.param
    if name not in kernel.runnable():
        pytest.skip(
            f"the kernel {name} does not run here: it was not built, or this CPU lacks its instructions"
        )
    monkeypatch.setenv(kernel.VARIABLE, name)
    return name
