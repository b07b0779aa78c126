"""What stands around the network: pixels in, the task's outputs out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgeseg.errors import ExportError
from edgeseg.export.head import Reading
from edgeseg.export.program import Preprocessing, SemanticProgram, open_program
from edgeseg.export.settings import Settings
from edgeseg.models.network import Network
from edgeseg.spec import LARGEST_VALUE, ChannelOrder, DivideBy255, InputType

from .small_networks import SIZE_HW, mask_rcnn


class Fixed(nn.Module):
    """Gives the same logits for every image."""

    def __init__(self, logits: Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, image: Tensor) -> Tensor:
        return self.logits


def program(logits: list[list[list[float]]]) -> SemanticProgram:
    network = Fixed(torch.tensor([logits]))
    return SemanticProgram(Preprocessing((0.0,) * 3, (1.0,) * 3), network, Reading(), labels=True)


def test_preprocessing_by_hand() -> None:
    blue_green_red = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)
    planes = Preprocessing((0.5, 0.2, 0.0), (0.25, 0.5, 0.5))(blue_green_red)
    assert planes.shape == (1, 3, 1, 1)
    # red (1.0 - 0.5) / 0.25, green (0.2 - 0.2) / 0.5, blue 0
    torch.testing.assert_close(planes.flatten(), torch.tensor([2.0, 0.0, 0.0]))


@pytest.mark.parametrize("order", ["rgb", "bgr"])
@pytest.mark.parametrize("form", ["before", "never", "after"])
def test_each_form_of_normalisation_is_what_the_training_computed(
    form: DivideBy255, order: ChannelOrder
) -> None:
    image = torch.arange(0, 240, 20, dtype=torch.uint8).reshape(1, 2, 2, 3)
    mean, std = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
    if form != "before":
        mean, std = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
    network = Network(nn.Identity(), "semantic", mean, std, channel_order=order, divide_by_255=form)

    found = Preprocessing(*network.unit_scale(), network.channel_order)(image)

    x = image.double().flip(3).permute(0, 3, 1, 2)  # red first
    mean_planes, std_planes = (torch.tensor(v, dtype=torch.float64).reshape(1, 3, 1, 1) for v in (mean, std))
    expected = {
        "before": (x / 255 - mean_planes) / std_planes,
        "never": (x - mean_planes) / std_planes,
        "after": (x - mean_planes) / std_planes / 255,
    }[form]
    torch.testing.assert_close(found, (expected if order == "rgb" else expected.flip(1)).float())


def test_grey_by_hand() -> None:
    blue_green_red = torch.tensor([[[[0, 51, 255], [100, 100, 100]]]], dtype=torch.uint8)
    plane = Preprocessing((0.5,) * 3, (0.25,) * 3, "grey")(blue_green_red)
    assert plane.shape == (1, 1, 1, 2)
    # 0.299 * 1.0 + 0.587 * 0.2 = 0.4164; a grey pixel stays as it is
    expected = torch.tensor([(0.4164 - 0.5) / 0.25, (100 / 255 - 0.5) / 0.25])
    torch.testing.assert_close(plane.flatten(), expected)


def test_labels_are_interpolated_before_the_argmax() -> None:
    image = torch.zeros(1, 1, 4, 3, dtype=torch.uint8)
    # along the row class 1 leads by -3 and +1; a bilinear blend crosses zero after three quarters of the way
    labels, logits = program([[[3.0, 0.0]], [[0.0, 1.0]]])(image)
    assert labels.dtype == torch.uint8
    assert labels.tolist() == [[[0, 0, 0, 1]]]
    assert logits.shape == (1, 2, 1, 2)


def test_a_single_logit_becomes_background_and_foreground() -> None:
    image = torch.zeros(1, 1, 2, 3, dtype=torch.uint8)
    labels, logits = program([[[-1.0, 2.0]]])(image)
    assert logits.tolist() == [[[[0.0, 0.0]], [[-1.0, 2.0]]]]
    assert labels.tolist() == [[[0, 1]]]


def test_a_mask_rcnn_gets_its_own_limits_back() -> None:
    network = mask_rcnn()
    heads = network.module.roi_heads
    before = network.module.padded, heads.score_threshold, heads.detections
    with open_program(network, Settings("x", SIZE_HW, score_threshold=0.7, max_detections=3)):
        assert (network.module.padded, heads.score_threshold, heads.detections) == (False, 0.7, 3)
    assert (network.module.padded, heads.score_threshold, heads.detections) == before


def test_only_our_mask_rcnn_gives_instances() -> None:
    network = Network(nn.Identity(), "instance")
    with pytest.raises(ExportError, match="got Identity"), open_program(network, Settings("x", SIZE_HW)):
        pass


def test_colours_come_first_and_other_channels_stay_behind_them() -> None:
    image = torch.tensor([[[[0, 51, 255, 102, 153]]]], dtype=torch.uint8)  # blue, green, red, depth, heat
    mean, std = (0.5, 0.2, 0.0, 0.4, 0.1), (0.25, 0.5, 0.5, 1.0, 0.5)
    rgb = torch.tensor([2.0, 0.0, 0.0, 0.0, 1.0])
    torch.testing.assert_close(Preprocessing(mean, std, "rgb")(image).flatten(), rgb)
    torch.testing.assert_close(Preprocessing(mean, std, "bgr")(image).flatten(), rgb[[2, 1, 0, 3, 4]])


@pytest.mark.parametrize("dtype", ["uint16", "float32"])
@pytest.mark.parametrize("form", ["before", "never", "after"])
def test_other_numbers_are_scaled_by_their_own_largest_value(form: DivideBy255, dtype: InputType) -> None:
    x = np.array([[[[20000, 300]]]], dtype)
    white = LARGEST_VALUE[dtype]
    mean, std = ((0.3, 0.01), (0.1, 0.02)) if form == "before" else ((21000.0, 250.0), (900.0, 40.0))
    network = Network(
        *(nn.Identity(), "semantic", mean, std),
        channel_order="stored",
        divide_by_255=form,
        channels=2,
        input_dtype=dtype,
    )
    found = Preprocessing(*network.unit_scale(), "stored", dtype)(torch.from_numpy(x)).flatten()
    values = x.flatten().astype(np.float64)
    expected = {
        "before": (values / white - mean) / std,
        "never": (values - mean) / std,
        "after": (values - mean) / std / white,
    }[form]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-5)
