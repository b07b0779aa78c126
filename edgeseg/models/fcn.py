"""FCN: turn an image into class scores by one 3x3 convolution on a backbone's last map.

Long et al., "Fully Convolutional Networks for Semantic Segmentation", 2015, as torchvision has it: on a
backbone whose late stages dilate their kernels. State-dict names are torchvision's; the auxiliary classifier,
used in training only, does not exist here.
"""

from __future__ import annotations

from torch import Tensor, nn

from edgeseg.models.backbone import Backbone, initialise_convolutions

DROPOUT = 0.1


class FCN(nn.Module):
    """Backbone, a 3x3 convolution and the classifier.

    Args:
        backbone: its last map is classified.
        num_classes: channels of the logits, background included.
        head_channels: of the 3x3 convolution; a quarter of the map's in torchvision.
    """

    def __init__(self, backbone: Backbone, num_classes: int, *, head_channels: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.classifier = nn.Sequential(
            nn.Conv2d(backbone.channels[-1], head_channels, 3, padding=1, bias=False),
            nn.BatchNorm2d(head_channels),
            nn.ReLU(inplace=True),
            nn.Dropout(DROPOUT),
            nn.Conv2d(head_channels, num_classes, 1),
        )
        initialise_convolutions(self.classifier)

    def forward(self, image: Tensor) -> Tensor:
        """Turn a normalised image (N, C, H, W) into logits (N, num_classes, H/s, W/s), s the stride."""
        logits: Tensor = self.classifier(self.backbone(image)[-1])
        return logits
