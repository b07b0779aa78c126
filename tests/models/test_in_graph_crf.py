"""The dense CRF is the fully connected one at stride 1, and close to it at others."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from edgeseg.errors import ShapeError, UsageError
from edgeseg.models.in_graph_crf import InGraphCRF, kernel_bytes
from edgeseg.spec import CRFSpec

Array = NDArray[np.float64]


def refine(parameters: CRFSpec, stride: int, logits: Array, image: NDArray[np.uint8]) -> NDArray[np.float32]:
    crf = InGraphCRF(parameters, image.shape[1:3], stride)
    with torch.inference_mode():
        return crf(torch.from_numpy(logits.astype(np.float32)), torch.from_numpy(image)).numpy()


def softmax(scores: Array) -> Array:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def brute_force(parameters: CRFSpec, logits: Array, image: NDArray[np.uint8]) -> Array:
    """Compute all pairs of pixels in float64; (C, H, W) of one (C, H, W) and its (H, W, 3)."""
    classes, height, width = logits.shape
    scale = height / parameters.height
    y, x = np.mgrid[:height, :width].astype(float)
    places = np.stack([y.ravel(), x.ravel()], axis=1)
    apart = ((places[:, None] - places) ** 2).sum(axis=2)
    colours = image.reshape(-1, 3).astype(float)
    unlike = ((colours[:, None] - colours) ** 2).sum(axis=2)
    appearance = np.exp(
        -apart / (2 * (parameters.appearance_position_px * scale) ** 2)
        - unlike / (2 * parameters.appearance_colour**2)
    )
    smoothness = np.exp(-apart / (2 * (parameters.smoothness_position_px * scale) ** 2))
    messages = np.zeros((len(places), len(places)))
    for weight, kernel in (
        (parameters.appearance_weight, appearance),
        (parameters.smoothness_weight, smoothness),
    ):
        norm = 1 / np.sqrt(kernel.sum(axis=1))
        messages += weight * norm[:, None] * kernel * norm
    unary = logits.reshape(classes, -1).T
    field = unary
    for _ in range(parameters.iterations):
        field = unary + messages @ softmax(field)
    return field.T.reshape(classes, height, width)


def two_grounds(size_hw: tuple[int, int], noise: float) -> tuple[Array, NDArray[np.uint8]]:
    """Draw two colours that meet at a slant, and logits that see them through noise, both for one image."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[: size_hw[0], : size_hw[1]]
    right = x > size_hw[1] / 2 + (y - size_hw[0] / 2) / 3
    image = np.where(right[..., None], (200, 120, 40), (60, 130, 180)) + random.integers(-6, 7, (*size_hw, 3))
    logits = np.stack([~right, right]).astype(float) + random.normal(0, noise, (2, *size_hw))
    return logits[None], image.astype(np.uint8)[None]


def test_two_pixels_by_hand() -> None:
    """Their kernels are 1 with themselves and k with each other, so that n n = 1 / (1 + k)."""
    parameters = CRFSpec(1, 2.0, 10.0, 4.0, 1.0, 2.0, iterations=1)
    image = np.array([[[[100, 100, 100], [100, 110, 100]]]], np.uint8)
    logits = np.zeros((1, 2, 1, 2))
    logits[0, 0, 0, 0] = math.log(3.0)  # marginals 3/4, 1/4 on the left; 1/2, 1/2 on the right
    appearance = math.exp(-1 / 8 - 100 / 200)
    smoothness = math.exp(-1 / 2)
    left = [math.log(3.0), 0.0]
    for index, marginals in enumerate(((0.75, 0.5), (0.25, 0.5))):
        for weight, k in ((4.0, appearance), (2.0, smoothness)):
            left[index] += weight * (marginals[0] + k * marginals[1]) / (1 + k)
    found = refine(parameters, 1, logits, image)
    np.testing.assert_allclose(found[0, :, 0, 0], left, rtol=1e-5)


def test_stride_1_is_the_fully_connected_crf() -> None:
    random = np.random.default_rng(1)
    parameters = CRFSpec(14, 10.0, 40.0, 5.0, 2.0, 3.0, iterations=4)  # widths of frames twice as high
    logits = random.normal(0, 2, (2, 3, 7, 9))
    image = random.integers(0, 256, (2, 7, 9, 3)).astype(np.uint8)
    found = refine(parameters, 1, logits, image)
    for item in range(2):
        expected = brute_force(parameters, logits[item], image[item])
        np.testing.assert_allclose(found[item], expected, atol=1e-4)  # float32, exponents of some hundreds


@pytest.mark.parametrize(("stride", "least"), [(4, 0.99), (8, 0.98)])
def test_coarse_cells_agree_with_the_fully_connected_crf(stride: int, least: float) -> None:
    """Sizes that the stride does not divide; without refinement a fifth of the pixels is wrong."""
    logits, image = two_grounds((45, 61), noise=0.8)
    parameters = dataclasses.replace(CRFSpec(45), appearance_position_px=20.0)
    expected = brute_force(parameters, logits[0], image[0]).argmax(axis=0)
    found = refine(parameters, stride, logits, image)
    assert found.shape == (1, 2, 45, 61)
    assert (found[0].argmax(axis=0) == expected).mean() >= least
    assert (logits[0].argmax(axis=0) == expected).mean() < 0.85


@pytest.mark.parametrize("stride", [1, 4])
def test_without_weights_nothing_changes(stride: int) -> None:
    logits, image = two_grounds((10, 13), noise=1.0)
    parameters = CRFSpec(10, appearance_weight=0.0, smoothness_weight=0.0)
    np.testing.assert_allclose(refine(parameters, stride, logits, image), logits, rtol=1e-6)


def test_very_unlike_colours_give_no_denormal_numbers() -> None:
    crf = InGraphCRF(CRFSpec(8, appearance_colour=13.0), (8, 8), 1)
    kernel = crf._kernel(torch.linspace(-9.8, 9.8, 64).reshape(1, 1, 8, 8).expand(1, 3, 8, 8))
    for values in (kernel, *crf.buffers()):
        assert not ((values != 0) & (values.abs() < torch.finfo(torch.float32).tiny)).any()


def test_the_kernel_takes_four_bytes_a_pair() -> None:
    assert kernel_bytes((240, 320), 4) == 4 * (60 * 80) ** 2
    assert kernel_bytes((241, 320), 8) == 4 * (31 * 40) ** 2


def test_a_crf_without_iterations_leaves_logits_as_they_are() -> None:
    logits, image = torch.randn(1, 2, 8, 8), torch.zeros((1, 8, 8, 3), dtype=torch.uint8)
    for stride in (1, 4):
        assert torch.equal(InGraphCRF(CRFSpec(8, iterations=0), (8, 8), stride)(logits, image), logits)


def test_other_sizes_are_refused() -> None:
    crf = InGraphCRF(CRFSpec(8), (8, 12), 4)
    image = torch.zeros((1, 8, 12, 3), dtype=torch.uint8)
    with pytest.raises(ShapeError, match=r"made for logits \(N, C, 8, 12\) and an image of that size, got"):
        crf(torch.zeros((1, 2, 4, 6)), image)
    with pytest.raises(UsageError, match="stride must be at least 1 pixel, got 0"):
        InGraphCRF(CRFSpec(8), (8, 12), 0)
