from __future__ import annotations

import pytest

from edgeseg.errors import UsageError
from edgeseg.runtime.site.environment import Environment


def test_values_are_filled_in_and_hidden_again() -> None:
    environment = Environment({"USER_1": "guard", "PASSWORD": "pa:ss@word", "UNUSED": "camera"})
    filled = environment.fill("rtsp://${USER_1}:${PASSWORD}@camera/$1/{x}")
    assert filled == "rtsp://guard:pa:ss@word@camera/$1/{x}"
    assert environment.hide(f"no answer from {filled}") == (
        "no answer from rtsp://${USER_1}:${PASSWORD}@camera/$1/{x}"
    )


def test_values_too_short_to_be_secret_stay() -> None:
    environment = Environment({"CHANNEL": "1"})
    assert environment.hide(environment.fill("rtsp://h/${CHANNEL}?a=1")) == "rtsp://h/1?a=1"


def test_a_value_within_another_does_not_uncover_it() -> None:
    environment = Environment({"A": "pass", "B": "password"})
    environment.fill("${A} ${B}")
    assert environment.hide("my password") == "my ${B}"


@pytest.mark.parametrize(("values", "state"), [({}, "not set"), ({"PASSWORD": ""}, "empty")])
def test_variables_that_are_not_there_are_named(values: dict[str, str], state: str) -> None:
    with pytest.raises(UsageError, match=f"the variable PASSWORD of the environment is {state}"):
        Environment(values).fill("rtsp://u:${PASSWORD}@h")
