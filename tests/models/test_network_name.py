from __future__ import annotations

from typing import Any

import pytest

from edgeseg.errors import UsageError
from edgeseg.models.network_name import split_name


@pytest.mark.parametrize(
    ("name", "place", "arguments"),
    [
        ("unet", "unet", {}),
        ("file.py:build", "file.py:build", {}),
        ("unet?width=4", "unet", {"width": 4}),
        ("a/b.py:build?encoder=resnet18&depth=5", "a/b.py:build", {"encoder": "resnet18", "depth": 5}),
        (
            "my.package:f?weights=None&rates=(1,2)&lr=1e-3",
            "my.package:f",
            {"weights": None, "rates": (1, 2), "lr": 1e-3},
        ),
        ("C:/nets/f.py:g?path=D:/x.yaml&text='5'", "C:/nets/f.py:g", {"path": "D:/x.yaml", "text": "5"}),
        ("odd?name.py:build?x=1", "odd?name.py:build", {"x": 1}),
        ("f.py:g?a=&b=x%26y+z&c=True", "f.py:g", {"a": "", "b": "x&y z", "c": True}),
        ("f.py:g?code=__import__('os')", "f.py:g", {"code": "__import__('os')"}),
    ],
)
def test_arguments_are_literals_or_text(name: str, place: str, arguments: dict[str, Any]) -> None:
    assert split_name(name) == (place, arguments)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("unet?width", "write them as"),
        ("unet?width=4&width=5", "'width' is given twice"),
        ("unet?4=width", "'4' is no name of an argument"),
        ("f.py:g?pretrained=false", "write pretrained=False"),
    ],
)
def test_what_is_no_argument_is_refused(name: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        split_name(name)
