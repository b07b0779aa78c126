"""Configurations written as Python become plain values, and nothing of them runs."""

from __future__ import annotations

import pytest

from edgeseg.errors import CheckpointError
from edgeseg.models.families.python_config import read_python_config


def test_assignments_of_literals_by_hand() -> None:
    text = """
# a comment
norm = dict(type='BN', requires_grad=True)
model = dict(backbone=dict(depth=50, norm_cfg=norm, out_indices=(0, 1)), rate=-0.5, **dict(a=1))
table = {'a': [1, 2.5, None], 'b': "text", 3: 4}
"""
    assert read_python_config(text) == {
        "norm": {"type": "BN", "requires_grad": True},
        "model": {
            "backbone": {
                "depth": 50,
                "norm_cfg": {"type": "BN", "requires_grad": True},
                "out_indices": (0, 1),
            },
            "rate": -0.5,
        },
        "table": {"a": [1, 2.5, None], "b": "text"},
    }


def test_what_is_no_literal_is_left_out_and_never_run() -> None:
    text = """
import os
os.mkdir('ran')
a = __import__('os').mkdir('ran')
b = dict(c=open('ran', 'w'), d=[i for i in range(10**9)], e=1)
f = 10 ** 10 ** 10
g = a
"""
    assert read_python_config(text) == {"b": {"e": 1}}


@pytest.mark.parametrize("text", ["model = dict(", "a = " + "(" * 500 + ")" * 500, "\0"])
def test_what_is_no_python_is_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="is no Python"):
        read_python_config(text)


def test_a_configuration_that_unfolds_beyond_its_size_is_cut() -> None:
    levels = "\n".join(f"a{i + 1} = dict(x=a{i}, y=a{i})" for i in range(60))
    found = read_python_config("a0 = dict(x=[1], y=[1])\n" + levels)
    assert len(repr(found)) < 10 * len(levels)
