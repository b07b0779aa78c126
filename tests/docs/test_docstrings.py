"""The examples in the docstrings of public names do what they say."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.docs.test_public_names import PUBLIC
from tests.exported_models import ExportedModels

WITH_EXAMPLES = {"edgeseg.export.export", "edgeseg.engines.build", "edgeseg.engines.verify"}


def _examples() -> list[doctest.DocTest]:
    """Find the docstrings with examples, of functions and classes and their methods."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {}
    for package in PUBLIC:
        for name in (module := importlib.import_module(package)).__all__:
            for test in finder.find(getattr(module, name), f"{package}.{name}", globs={}):
                if test.examples:
                    found[test.name] = test
    return list(found.values())


EXAMPLES = _examples()


def test_what_a_training_script_calls_has_an_example() -> None:
    assert {test.name for test in EXAMPLES} >= WITH_EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_does_what_it_says(
    example: doctest.DocTest,
    exported: ExportedModels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each runs in a folder with a portable model and, but for where one is built, its engine."""
    from edgeseg.engines import build
    from tests.export.small_networks import unet

    monkeypatch.chdir(tmp_path)
    (tmp_path / "model.onnx").write_bytes(exported(unet).path.read_bytes())
    if example.name != "edgeseg.engines.build":
        build("model.onnx", "engine", threads=1)
    said: list[str] = []
    runner = doctest.DocTestRunner(verbose=False)
    assert runner.run(example, out=said.append).failed == 0, "".join(said)
