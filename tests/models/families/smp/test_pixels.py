"""What an encoder's own training made of pixels, and what albumentations' settings say."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgeseg.errors import CheckpointError
from edgeseg.models.families.smp.encoders import table
from edgeseg.models.families.smp.pixels import of_encoder, of_parameters, of_transforms

EVAL = "albumentations_config_eval.json"
PUBLISHED_WITH_A_HALF = {
    "inceptionresnetv2",
    "inceptionv4",
    "xception",
    *(f"timm-tf_efficientnet_lite{size}" for size in range(5)),
}
"""Encoders whose mean and deviation are 0.5 in version 0.4.0, the last that held these numbers itself."""


def _prepared(pixel: Any, parameters: dict[str, Any]) -> Any:
    """Do what the library's own function does with a colour, red first, 0..255."""
    order = slice(None, None, -1) if parameters.get("input_space") == "BGR" else slice(None)
    scale = 255.0 if parameters.get("input_range", [0, 1])[1] == 1 else 1.0
    return (np.array(pixel)[order] / scale - parameters["mean"]) / parameters["std"]


@pytest.mark.parametrize("space", ["RGB", "BGR"])
@pytest.mark.parametrize("largest", [1, 255])
def test_colours_come_out_as_in_the_library(space: str, largest: int) -> None:
    parameters = {
        "mean": [0.1 * largest, 0.2 * largest, 0.3 * largest],
        "std": [0.5 * largest, 0.6 * largest, 0.7 * largest],
        "input_space": space,
        "input_range": [0, largest],
    }
    fields = of_parameters(parameters, "somebody").fields
    pixel = np.array([10.0, 100.0, 250.0])
    unit = pixel / 255 if fields["divide_by_255"] == "before" else pixel
    ours = (unit - fields["mean_rgb"]) / fields["std_rgb"]
    ours = ours[::-1] if fields["channel_order"] == "bgr" else ours
    assert np.allclose(ours, _prepared(pixel, parameters))


def test_encoders_that_were_trained_otherwise_than_on_imagenets_mean_are_known() -> None:
    assert of_encoder("resnet34", "imagenet", None).fields["mean_rgb"] == (0.485, 0.456, 0.406)
    assert of_encoder("xception", "imagenet", None).fields["mean_rgb"] == (0.5, 0.5, 0.5)
    assert of_encoder("efficientnet-b0", "advprop", None).fields["std_rgb"] == (0.5, 0.5, 0.5)
    dpn = of_encoder("dpn68", None, None)
    assert dpn.fields["mean_rgb"] == pytest.approx((124 / 255, 117 / 255, 104 / 255))
    config = SimpleNamespace(mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0), architecture="mobilenetv3_large_100")
    pixels = of_encoder("tu-mobilenetv3_large_100.miil_in21k", None, config)
    assert pixels.fields["std_rgb"] == (1.0, 1.0, 1.0)
    assert pixels.said["std_rgb"] == "the encoder's own parameters in timm (mobilenetv3_large_100)"


def test_transforms_are_read_to_any_depth_and_what_edgeseg_does_not_do_is_named() -> None:
    normalise = {
        "__class_fullname__": "Normalize",
        "mean": [1, 2, 3],
        "std": [4, 5, 6],
        "max_pixel_value": 1.0,
    }
    resize = {"__class_fullname__": "Resize", "height": 96, "width": 128, "interpolation": 2}
    inner = {"__class_fullname__": "Sequential", "transforms": [resize, {"__class_fullname__": "CLAHE"}]}
    pixels = of_transforms({EVAL: {"transform": {"transforms": [inner, normalise]}}})
    assert pixels is not None
    assert pixels.fields == {
        "mean_rgb": (1.0, 2.0, 3.0),
        "std_rgb": (4.0, 5.0, 6.0),
        "divide_by_255": "never",
        "default_size_hw": (96, 128),
        "resize": "stretch",
    }
    assert set(pixels.said.values()) == {EVAL}
    assert [note for note in pixels.unknown if "CLAHE" in note]
    assert [note for note in pixels.unknown if "OpenCV's filter 2" in note]
    assert of_transforms({}) is None


def test_transforms_that_no_mean_and_deviation_describe_are_refused_or_named() -> None:
    each = {"__class_fullname__": "Normalize", "normalization": "image"}
    pixels = of_transforms({EVAL: {"transform": each}})
    assert pixels is not None
    assert "normalises each image by itself" in pixels.unknown[0]
    with pytest.raises(CheckpointError, match="divides pixels by 1024"):
        of_transforms({EVAL: {"transform": {"__class_fullname__": "Normalize", "max_pixel_value": 1024}}})
    with pytest.raises(CheckpointError, match="mean must be three numbers"):
        of_transforms({EVAL: {"transform": {"__class_fullname__": "Normalize", "mean": ["a"]}}})


def test_the_librarys_own_encoders_have_the_pixels_that_it_published() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch", reason="extra smp", exc_type=ImportError)
    weights = [
        (name, pretrained)
        for name, encoder in smp.encoders.encoders.items()
        for pretrained in encoder["pretrained_settings"]
    ]
    assert len(weights) > 100
    for name, pretrained in weights:
        fields = of_encoder(name, pretrained, None).fields
        if name.startswith("dpn"):
            mean, std = (124 / 255, 117 / 255, 104 / 255), (1 / (0.0167 * 255),) * 3
        elif pretrained == "advprop" or name in PUBLISHED_WITH_A_HALF:
            mean = std = (0.5, 0.5, 0.5)
        else:
            mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        assert fields == {
            "mean_rgb": pytest.approx(mean),
            "std_rgb": pytest.approx(std),
            "channel_order": "rgb",
            "divide_by_255": "before",
        }, (name, pretrained)


def test_timms_encoders_have_the_pixels_that_the_library_gives() -> None:
    smp = pytest.importorskip("segmentation_models_pytorch", reason="extra smp", exc_type=ImportError)
    timm = pytest.importorskip("timm", reason="extra smp")
    names = [name for one in table() for name in one.names if name.startswith("tu-")]
    trained = [name for name in names if timm.models.is_model_pretrained(name[3:])]
    assert len(trained) > 300
    for name in trained:
        given = smp.encoders.get_preprocessing_params(name)
        config = timm.models.get_pretrained_cfg(name[3:])
        assert of_encoder(name, None, config).fields == of_parameters(given, "the library").fields, name
