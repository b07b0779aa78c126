"""Every public name exists, says what it is, and is in the API reference."""

from __future__ import annotations

import ast
import importlib
import inspect
import re
import subprocess
import sys
from types import ModuleType

import pytest

from tests.docs.blocks import ROOT

PUBLIC = (
    "edgeseg.batch",
    "edgeseg.engines",
    "edgeseg.evaluation",
    "edgeseg.export",
    "edgeseg.runtime",
    "edgeseg.runtime.crf",
    "edgeseg.runtime.filters",
    "edgeseg.serving",
)
REFERENCE = re.findall(r"^::: (\S+)$", (ROOT / "docs" / "api.md").read_text(), re.MULTILINE)


@pytest.fixture(params=PUBLIC)
def module(request: pytest.FixtureRequest) -> ModuleType:
    """Give each package that has public names."""
    return importlib.import_module(request.param)


def test_public_names_are_there_and_say_what_they_are(module: ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert inspect.getdoc(value), f"{module.__name__}.{name} has no docstring"


def test_public_methods_say_what_they_are(module: ModuleType) -> None:
    for name in module.__all__:
        value = getattr(module, name)
        members = vars(value).items() if inspect.isclass(value) else ()
        for member, attribute in members:
            documented = inspect.isfunction(attribute) or isinstance(attribute, (property, classmethod))
            if documented and not member.startswith("_"):
                assert attribute.__doc__, f"{module.__name__}.{name}.{member} has no docstring"


def test_public_names_are_in_the_reference(module: ModuleType) -> None:
    missing = [name for name in module.__all__ if f"{module.__name__}.{name}" not in REFERENCE]
    assert missing == [], "add them to docs/api.md"


def test_the_reference_names_what_is_there() -> None:
    for name in REFERENCE:
        package, _, last = name.rpartition(".")
        assert hasattr(importlib.import_module(package), last), name


def test_no_name_of_the_reference_stands_there_twice() -> None:
    assert len(REFERENCE) == len(set(REFERENCE))


def test_no_public_name_is_left_out(module: ModuleType) -> None:
    """What a package imports for its users, now or at its first use, is public."""
    tree = ast.parse(inspect.getsource(module))
    imported = {
        alias.asname or alias.name
        for statement in ast.walk(tree)
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
        if (statement.module or "").startswith("edgeseg.") and statement.module != "edgeseg.lazy"
    }
    assert imported == set(module.__all__)
    assert module.__all__ == sorted(module.__all__)
    assert set(getattr(module, "_HOMES", imported)) == imported
    with pytest.raises(AttributeError, match="no attribute 'Segmentation'"):
        _ = module.Segmentation


def test_all_public_names_can_be_imported_at_once(module: ModuleType) -> None:
    subprocess.run([sys.executable, "-c", f"from {module.__name__} import *"], cwd=ROOT, check=True)
