"""Labels by matrix products are the labels of the upsampled logits."""

from __future__ import annotations

import numpy as np
import onnx_ir as ir
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgeseg.graph.passes.catalogue import applied
from edgeseg.graph.passes.labels_by_products import LabelsByProducts, interpolation
from tests.graph import small_graphs as graphs

LABELLED = """
labelled (uint8[{batch}, {h}, {w}, 3] image) => (uint8[N, H, W] labels)
<int64[4] size = {{{batch}, {classes}, {height}, {width}}}> {{
    pixels = Cast<to = 1>(image)
    planes = Transpose<perm = [0, 3, 1, 2]>(pixels)
    logits = Conv(planes, w)
    upsampled = Resize<mode = "linear", coordinate_transformation_mode = "{mode}">(logits, , , size)
    best = ArgMax<axis = 1, keepdims = 0>(upsampled)
    labels = Cast<to = 2>(best)
}}
"""


def labelled(
    small: tuple[int, int],
    large: tuple[int, int],
    *,
    batch: int = 1,
    classes: int = 4,
    mode: str = "half_pixel",
    text: str = LABELLED,
) -> ir.Model:
    """Score the pixels of an image, upsample the scores, and take the best class."""
    (h, w), (height, width) = small, large
    made = text.format(batch=batch, h=h, w=w, classes=classes, height=height, width=width, mode=mode)
    weights = np.random.default_rng(0).normal(size=(classes, 3, 1, 1))
    return graphs.model(made, {"w": weights})


def test_four_pixels_of_two_samples() -> None:
    centres = [[1, 0], [0.75, 0.25], [0.25, 0.75], [0, 1]]
    np.testing.assert_array_equal(interpolation(2, 4, align_corners=False), np.float32(centres))
    np.testing.assert_allclose(interpolation(2, 4, align_corners=True)[:, 1], [0, 1 / 3, 2 / 3, 1], rtol=1e-6)


@settings(max_examples=60, deadline=None)
@given(count=st.integers(1, 40), size=st.integers(1, 90), align_corners=st.booleans())
def test_rows_are_those_of_pytorch(count: int, size: int, align_corners: bool) -> None:
    torch = pytest.importorskip("torch")
    samples = torch.eye(count)[None]  # each sample alone
    expected = torch.nn.functional.interpolate(
        samples[:, :, :, None], (size, 1), mode="bilinear", align_corners=align_corners
    )
    got = interpolation(count, size, align_corners=align_corners)
    np.testing.assert_allclose(got.T, expected[0, :, :, 0], atol=1e-5)


@settings(max_examples=40, deadline=None)
@given(
    small=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    large=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    batch=st.integers(1, 2),
    mode=st.sampled_from(["half_pixel", "align_corners"]),
)
def test_labels_stay(small: tuple[int, int], large: tuple[int, int], batch: int, mode: str) -> None:
    made = labelled(small, large, batch=batch, mode=mode)
    after = applied(made, {LabelsByProducts.title: ["best"]})
    assert graphs.operators(after)["Resize"] == 0
    image = graphs.images(made, batch)
    expected, got = (graphs.run(one, image)["labels"] for one in (made, after))
    assert got.shape == expected.shape
    assert (got != expected).mean() <= 0.01  # pixels whose two best classes are equal but for rounding


@pytest.mark.parametrize(
    "other",
    [
        LABELLED.replace('mode = "linear"', 'mode = "nearest"'),
        LABELLED.replace('mode = "linear"', 'antialias = 1, mode = "linear"'),
        LABELLED.replace("keepdims = 0", "keepdims = 1").replace("(uint8[N, H, W]", "(uint8[N, K, H, W]"),
        LABELLED.replace("best = ", "more = Relu(upsampled)\n    best = "),
    ],
    ids=["nearest", "antialiased", "another axis", "read by another"],
)
def test_other_labels_stay(other: str) -> None:
    assert LabelsByProducts().sites(labelled((4, 4), (8, 8), text=other)) == []
