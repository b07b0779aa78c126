"""Turn a missing optional package into the command that installs it."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from edgeseg.errors import MissingExtraError


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
        module = import_module(package)
    except (ImportError, OSError) as error:  # OSError: the wheel is there, its shared library is not
        raise MissingExtraError(package, extra) from error
    if attribute is not None and not hasattr(module, attribute):
        raise MissingExtraError(package, extra)
    return module
