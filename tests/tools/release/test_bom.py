"""A bill of materials says which edgeseg it is of, and holds nothing of the run that made it."""

from __future__ import annotations

from typing import Any

import pytest

from tools.release.bom import named


def _bill(**changes: Any) -> dict[str, Any]:
    numpy = {"name": "numpy", "version": "2.4.6", "type": "library"}
    root = {"bom-ref": "root-component", "name": "edgeseg", "type": "library"}
    return {"components": [numpy], "metadata": {"component": root}, **changes}


def test_the_root_has_its_version_and_where_it_is_found() -> None:
    bill = named(_bill(), "0.1.0")
    root = bill["metadata"]["component"]
    assert (root["name"], root["version"], root["purl"]) == ("edgeseg", "0.1.0", "pkg:pypi/edgeseg@0.1.0")
    assert root["bom-ref"] == "root-component"
    assert bill["components"] == _bill()["components"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"serialNumber": "urn:uuid:1"}, "serial number"),
        ({"components": []}, "names nothing"),
        ({"components": [{"name": "numpy"}, {"name": "pip"}]}, "it names pip"),
    ],
)
def test_what_no_device_or_no_other_run_would_have_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        named(_bill(**changes), "0.1.0")
