"""What cannot be exported is refused before any work is done, with the fix."""

from __future__ import annotations

import dataclasses

import pytest
from torch import nn

from edgeseg.errors import UsageError
from edgeseg.export.settings import Settings, check_settings
from edgeseg.export.specification import describe_input
from edgeseg.models.zoo import Network
from edgeseg.spec import DivideBy255

NETWORK = Network(nn.Identity(), "semantic", (0.5, 0.25, 0.0), (0.5, 0.5, 0.5), resize="letterbox")
SETTINGS = Settings("tiny", (64, 96), batch=2)


@pytest.mark.parametrize(
    ("mean", "std", "message"),
    [
        (
            (123, 116, 103),
            (58, 57, 57),
            r"\(x - mean\) / std .* --divide-by-255 never; .* --divide-by-255 after$",
        ),
        ((0, 0, 0), (255, 255, 255), "--divide-by-255 never"),
        ((0.5, 0.5, -0.1), (1, 1, 1), r"must be 0 to 1, .* got 0\.5,0\.5,-0\.1 and 1,1,1$"),
        ((0, 0, 0), (0, 0, 0), "above 0 and at most 1, got 0,0,0 and 0,0,0$"),
        ((float("nan"), 0, 0), (1, 1, 1), "got nan,0,0"),
        ((0, 0, 0), (1, 1, float("inf")), "got 0,0,0 and 1,1,inf$"),
    ],
)
def test_mean_and_deviation_are_of_pixels_in_0_to_1(
    mean: tuple[float, float, float], std: tuple[float, float, float], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        check_settings(dataclasses.replace(NETWORK, mean_rgb=mean, std_rgb=std), SETTINGS)


@pytest.mark.parametrize("form", ["never", "after"])
def test_mean_and_deviation_of_bytes_are_taken_where_the_form_says_so(form: DivideBy255) -> None:
    network = dataclasses.replace(
        NETWORK, mean_rgb=(123.675, 116.28, 103.53), std_rgb=(58.395, 57.12, 57.375), divide_by_255=form
    )

    check_settings(network, SETTINGS)

    assert describe_input(network, SETTINGS).pad_bgr == (104, 116, 124)
    for mean, std in (((256.0, 0.0, 0.0), (1.0,) * 3), ((0.0,) * 3, (0.0,) * 3), ((0.0,) * 3, (256.0,) * 3)):
        with pytest.raises(
            UsageError, match=rf"0\.\.255 \(--divide-by-255 {form}\): the mean must be 0 to 255"
        ):
            check_settings(dataclasses.replace(network, mean_rgb=mean, std_rgb=std), SETTINGS)


def test_a_grey_network_has_one_mean() -> None:
    check_settings(dataclasses.replace(NETWORK, mean_rgb=(0.5,) * 3, channel_order="grey"), SETTINGS)
    with pytest.raises(UsageError, match=r"got 0\.5,0\.25,0 and .* such as --mean 0\.5 --std 0\.5"):
        check_settings(dataclasses.replace(NETWORK, channel_order="grey"), SETTINGS)
