"""What `edgeseg doctor` shows of what makes pages: the browser that proves them, and npm."""

from __future__ import annotations

import shutil
from typing import Any

from edgeseg.engines.web.browser import MISSING, find_browser, version_of
from edgeseg.engines.web.runtime_files import INSTALL
from edgeseg.errors import EngineError


def examine(installed: bool) -> dict[str, Any]:
    """Name the browser and what npm is, None where they are not here."""
    try:
        browser = find_browser()
    except EngineError:
        browser = None
    return {
        "browser": None if browser is None else version_of(browser) or str(browser),
        "npm": shutil.which("npm"),
    }


def rows(findings: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Say what proves pages, and what fetches the library in them."""
    browser, npm = findings["browser"], findings["npm"]
    return [
        ("build: web pages, proven in Chromium", browser or "not here", "" if browser else MISSING),
        ("npm, for web pages", npm or "not here", "" if npm else INSTALL),
    ]
