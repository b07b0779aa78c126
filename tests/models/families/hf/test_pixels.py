"""`preprocessor_config.json` says what becomes of pixels, in the forms of all releases."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from edgeseg.errors import CheckpointError
from edgeseg.models.families.hf.architectures import ARCHITECTURES
from edgeseg.models.families.hf.pixels import DEFAULTS, read_pixels
from edgeseg.models.families.pixels import Pixels


def test_a_file_of_an_early_release_is_read() -> None:
    pixels = read_pixels(
        "segformer",
        {
            "image_mean": [0.1, 0.2, 0.3],
            "image_std": [0.5, 0.5, 0.5],
            "reduce_labels": True,
            "size": 640,
            "resample": 2,
        },
    )
    assert pixels.fields == {
        "mean_rgb": (0.1, 0.2, 0.3),
        "std_rgb": (0.5, 0.5, 0.5),
        "divide_by_255": "before",
        "channel_order": "rgb",
        "resize": "stretch",
        "default_size_hw": (640, 640),
        "resize_filter": "pil",
    }
    assert pixels.said["mean_rgb"] == "preprocessor_config.json"
    assert pixels.said["channel_order"] == "transformers' default for segformer"
    assert pixels.unknown == ()


def test_mobilevit_takes_bgr_that_is_not_normalised_and_whole_frames_for_its_crops() -> None:
    file = {"do_flip_channel_order": True, "size": {"shortest_edge": 544}, "crop_size": 512, "resample": 2}
    pixels = read_pixels("mobilevit", file)
    assert (pixels.fields["channel_order"], pixels.fields["mean_rgb"]) == ("bgr", (0.0, 0.0, 0.0))
    assert (pixels.fields["resize"], pixels.fields["default_size_hw"]) == ("letterbox", (512, 512))
    assert "crops the middle, 512x512" in pixels.unknown[0]


@pytest.mark.parametrize(
    ("file", "scaled"),
    [
        ({"do_rescale": False}, lambda x: (x - 0.5) / 0.5),
        ({"rescale_factor": 1 / 127.5}, lambda x: (x / 127.5 - 0.5) / 0.5),
        ({"rescale_factor": 1 / 127.5, "do_normalize": False}, lambda x: x / 127.5),
        ({}, lambda x: (x / 255 - 0.5) / 0.5),
    ],
)
def test_any_factor_becomes_mean_and_deviation(file: dict[str, Any], scaled: Any) -> None:
    pixels = read_pixels("beit", file)
    x = np.arange(256.0)
    assert np.allclose(_normalised(x, pixels), scaled(x))


def test_filters_that_edgeseg_lacks_are_named() -> None:
    bicubic = read_pixels(
        "dpt", {"resample": 3, "keep_aspect_ratio": True, "size": {"height": 384, "width": 384}}
    )
    assert bicubic.fields["resize_filter"] == "pil"
    assert any("Pillow's bicubic filter, which edgeseg has not" in note for note in bicubic.unknown)
    assert any("keeps the aspect ratio" in note for note in bicubic.unknown)
    assert "resize_filter" not in read_pixels("dpt", {"resample": 0}).fields


def test_without_a_file_the_librarys_defaults_are_taken_and_said_to_be() -> None:
    pixels = read_pixels("upernet", None)
    assert pixels.said["std_rgb"] == "transformers' defaults for upernet"
    assert "no preprocessor_config.json lies beside the weights" in pixels.unknown[0]


def test_the_defaults_are_those_of_the_librarys_processors() -> None:
    transformers = pytest.importorskip("transformers", reason="extra hf", exc_type=ImportError)
    from transformers.models.auto.image_processing_auto import IMAGE_PROCESSOR_MAPPING_NAMES

    assert set(DEFAULTS) == set(ARCHITECTURES)
    for model_type, settings in DEFAULTS.items():
        own = getattr(transformers, IMAGE_PROCESSOR_MAPPING_NAMES[model_type]["torchvision"])()
        for key in set(settings) - {"do_normalize"}:
            value = getattr(own, key)
            value = {k: v for k, v in dict(value).items() if v} if key.endswith("size") and value else value
            if key == "crop_size" and not settings.get("do_center_crop"):
                continue
            wanted = settings[key]
            same = wanted == value if not isinstance(wanted, tuple) else tuple(value) == wanted
            assert same, (model_type, key, value)
        assert bool(getattr(own, "do_center_crop", False)) == settings.get("do_center_crop", False)


def test_what_is_no_number_is_refused() -> None:
    with pytest.raises(CheckpointError, match="image_mean must be three numbers"):
        read_pixels("beit", {"image_mean": [1, 2]})
    with pytest.raises(CheckpointError, match="rescale_factor must be a number above 0"):
        read_pixels("beit", {"rescale_factor": 0})
    with pytest.raises(CheckpointError, match="size must be height and width"):
        read_pixels("beit", {"size": {"height": "x", "width": 3}})


def _normalised(x: Any, pixels: Pixels) -> Any:
    mean, std = pixels.fields["mean_rgb"][0], pixels.fields["std_rgb"][0]
    unit = x / 255 if pixels.fields["divide_by_255"] == "before" else x
    return (unit - mean) / std
