"""Read clocks, temperature, throttling and energy of NVIDIA's GPUs, if `nvidia-ml-py` is installed."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import ModuleType
from typing import Any

MJ_PER_J = 1e3

# Bits of the reasons for which a GPU's clock is below what was asked of it, see `nvml.h`; not of being idle.
REASONS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "thermal slowdown",
    0x40: "thermal slowdown by hardware",
    0x80: "power brake",
}


class Gpus:
    """All GPUs that NVML shows; none without the library, its driver, or a GPU."""

    def __init__(self) -> None:
        self._nvml: ModuleType | None = None
        self._handles: dict[str, Any] = {}
        try:
            import pynvml

            pynvml.nvmlInit()
        except Exception:  # not installed, or no driver that fits: nothing that a run needs
            return
        self._nvml = pynvml
        for index in range(self._ask(pynvml.nvmlDeviceGetCount) or 0):
            handle = self._ask(pynvml.nvmlDeviceGetHandleByIndex, index)
            if handle is not None:
                self._handles[f"GPU {index} {self._ask(pynvml.nvmlDeviceGetName, handle) or ''}".strip()] = (
                    handle
                )

    def close(self) -> None:
        """Let the library go."""
        if self._nvml is not None:
            self._ask(self._nvml.nvmlShutdown)
        self._nvml, self._handles = None, {}

    def clock_mhz(self) -> float | None:
        """Give the clock of the fastest GPU."""
        return max(self._each("nvmlDeviceGetClockInfo", "NVML_CLOCK_SM").values(), default=None)

    def temperatures_c(self) -> dict[str, float]:
        """Give each GPU's temperature."""
        return self._each("nvmlDeviceGetTemperature", "NVML_TEMPERATURE_GPU")

    def throttling_flags(self) -> dict[str, bool]:
        """Tell by name what lowers the clock of a GPU at this moment."""
        reasons = self._each("nvmlDeviceGetCurrentClocksThrottleReasons")
        return {
            f"{gpu}: {name}": bool(int(value) & bit)
            for gpu, value in reasons.items()
            for bit, name in REASONS.items()
        }

    def joules(self) -> dict[str, float]:
        """Give the energy that each GPU has taken since its driver was loaded (Volta and newer tell it)."""
        taken_mj = self._each("nvmlDeviceGetTotalEnergyConsumption")
        return {gpu: value / MJ_PER_J for gpu, value in taken_mj.items()}

    def _each(self, function: str, constant: str | None = None) -> dict[str, float]:
        if self._nvml is None:
            return {}
        arguments = () if constant is None else (getattr(self._nvml, constant),)
        ask = getattr(self._nvml, function)
        values = {gpu: self._ask(ask, handle, *arguments) for gpu, handle in self._handles.items()}
        return {gpu: float(value) for gpu, value in values.items() if value is not None}

    def _ask(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Call NVML; None where a GPU does not tell."""
        assert self._nvml is not None
        with suppress(self._nvml.NVMLError):
            return function(*arguments)
        return None


class GpuMeter:
    """The energy of one GPU, beginning now; a `Meter`."""

    def __init__(self, gpus: Gpus, name: str) -> None:
        self.name, self.meter = name, "nvml"
        self.within: str | None = None
        self.joules = 0.0
        self._gpus = gpus
        self._begin_j = gpus.joules().get(name)

    def read(self, at_s: float) -> bool:
        """Take over what the GPU has counted."""
        now_j = self._gpus.joules().get(self.name)
        if now_j is None or self._begin_j is None:
            return False
        self.joules = now_j - self._begin_j
        return True
