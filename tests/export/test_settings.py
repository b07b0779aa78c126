"""What cannot be exported is refused before any work is done, with the fix."""

from __future__ import annotations

import dataclasses

import pytest
from torch import nn

from edgeseg.errors import UsageError
from edgeseg.export.settings import Settings, check_settings
from edgeseg.export.specification import describe_input
from edgeseg.models.network import Network
from edgeseg.spec import CRFSpec, DivideBy255

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
        ((0, 0, 0), (0, 0, 0), "above 0 and at most 2, got 0,0,0 and 0,0,0$"),
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
    for mean, std in (((256.0, 0.0, 0.0), (1.0,) * 3), ((0.0,) * 3, (0.0,) * 3), ((0.0,) * 3, (511.0,) * 3)):
        with pytest.raises(
            UsageError, match=rf"0\.\.255 \(--divide-by-255 {form}\): the mean must be 0 to 255"
        ):
            check_settings(dataclasses.replace(network, mean_rgb=mean, std_rgb=std), SETTINGS)


@pytest.mark.parametrize(("mean", "std", "form"), [(128.0, 256.0, "never"), (0.5, 256 / 255, "before")])
def test_pixels_may_be_divided_by_one_more_than_white(mean: float, std: float, form: DivideBy255) -> None:
    """As ISNet divides them: (x - 128) / 256."""
    network = dataclasses.replace(
        NETWORK, mean_rgb=(mean,) * 3, std_rgb=(std,) * 3, divide_by_255=form, resize="stretch"
    )
    check_settings(network, SETTINGS)


def test_a_grey_network_has_one_mean() -> None:
    check_settings(dataclasses.replace(NETWORK, mean_rgb=(0.5,) * 3, channel_order="grey"), SETTINGS)
    with pytest.raises(UsageError, match=r"got 0\.5,0\.25,0 and .* such as --mean 0\.5 --std 0\.5"):
        check_settings(dataclasses.replace(NETWORK, channel_order="grey"), SETTINGS)


def test_floats_have_any_mean_and_16_bits_one_of_their_own() -> None:
    degrees = dataclasses.replace(
        NETWORK,
        mean_rgb=(-20.0,),
        std_rgb=(15.0,),
        channels=1,
        channel_order="stored",
        input_dtype="float32",
    )
    check_settings(degrees, SETTINGS)
    assert describe_input(degrees, SETTINGS).pad_bgr == (-20.0,)
    with pytest.raises(UsageError, match="of float32 pixels must be above 0, got 0"):
        check_settings(dataclasses.replace(degrees, std_rgb=(0.0,)), SETTINGS)
    thermal = dataclasses.replace(
        degrees, mean_rgb=(21000.0,), std_rgb=(900.0,), input_dtype="uint16", divide_by_255="never"
    )
    check_settings(thermal, SETTINGS)
    assert describe_input(thermal, SETTINGS).pad_bgr == (21000,)
    with pytest.raises(UsageError, match=r"from pixels x in 0\.\.65535, say --divide-by-255 never"):
        check_settings(dataclasses.replace(thermal, divide_by_255="before"), SETTINGS)


def test_sides_are_multiples_of_what_the_network_says() -> None:
    network = dataclasses.replace(NETWORK, size_divisor=48)
    with pytest.raises(UsageError, match=r"multiples of 48, got 64x96; the nearest is --size 48x96"):
        check_settings(network, dataclasses.replace(SETTINGS, size_hw=(64, 96)))
    check_settings(network, dataclasses.replace(SETTINGS, size_hw=(48, 96)))


def test_padding_is_the_users_in_the_frames_own_order() -> None:
    network = dataclasses.replace(NETWORK, pad_rgb=(1, 2, 3), pad_side="right_bottom")
    check_settings(network, SETTINGS)
    taken = describe_input(network, SETTINGS)
    assert (taken.pad_bgr, taken.pad_side) == ((3, 2, 1), "right_bottom")
    with pytest.raises(UsageError, match=r"whole numbers 0 to 255, got 0\.5,2,3"):
        check_settings(dataclasses.replace(network, pad_rgb=(0.5, 2, 3)), SETTINGS)


def test_a_crf_looks_at_a_cameras_colours_alone() -> None:
    network = Network(
        nn.Conv2d(4, 2, 1), "semantic", (0.5,) * 4, (0.5,) * 4, channels=4, channel_order="stored"
    )
    with pytest.raises(UsageError, match=r"takes 4 of uint8: export it without --crf"):
        check_settings(network, dataclasses.replace(SETTINGS, crf=CRFSpec(height=64)))
