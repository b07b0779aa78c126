"""Import optional packages, without their telemetry, or say which command installs them."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from types import ModuleType
from typing import Any

from edgeseg.errors import MissingExtraError, one_line

# Read by ONNX Runtime when it is imported, which else reports its use.
ORT_SWITCH, LEFT_ON = "ORT_DISABLE_TELEMETRY", ("0", "false")  # values with which a user leaves it on
RAY_SWITCH = "RAY_USAGE_STATS_ENABLED"  # read by Ray when a cluster starts
OPENVINO_REPORTER = "openvino_telemetry"  # imported by OpenVINO if it is there, to report that


def require(package: str, extra: str, *, attribute: str | None = None) -> Any:
    """Import an optional package when it is needed.

    Args:
        package: what is imported, such as `onnxruntime`.
        extra: the extra of edgeseg that installs it.
        attribute: something that the real package has; a package of type stubs alone lacks it.

    Raises:
        MissingExtraError: if the package, or a library that it loads, is not there.
    """
    try:
        module = _silently(package)
    except (ImportError, OSError) as error:  # OSError: the wheel is there, its shared library is not
        raise MissingExtraError(package, extra, _why(package, error)) from error
    if attribute is not None and not hasattr(module, attribute):
        raise MissingExtraError(package, extra)
    return module


def _why(package: str, error: Exception) -> str:
    """Say why a package that is there cannot be loaded; empty where it is not there."""
    absent = isinstance(error, ModuleNotFoundError) and package.startswith(error.name or package)
    return "" if absent else one_line(str(error))


def _silently(package: str) -> ModuleType:
    """Import a package so that it reports nothing to its makers."""
    if package.partition(".")[0] == "ray":
        os.environ.setdefault(RAY_SWITCH, "0")
        return import_module(package)
    if package == "onnxruntime":
        os.environ.setdefault(ORT_SWITCH, "1")
        module = import_module(package)
        if os.environ[ORT_SWITCH] not in LEFT_ON:  # somebody else may have imported it before
            module.disable_telemetry_events()
        return module
    if package != "openvino" or package in sys.modules:
        return import_module(package)
    reporter = sys.modules.pop(OPENVINO_REPORTER, None)
    sys.modules[OPENVINO_REPORTER] = None  # type: ignore[assignment]  # as if it was not installed
    try:
        return import_module(package)
    finally:
        del sys.modules[OPENVINO_REPORTER]
        if reporter is not None:
            sys.modules[OPENVINO_REPORTER] = reporter
