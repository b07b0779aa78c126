"""Mask R-CNN and semantic FPN as detectron2 writes them; weights of Mask R-CNN for MMDetection's rows, too.

detectron2 does not install beside the others. What its models compute is taken from a plain implementation of
their definitions, in loops over boxes: `tests/models/families/plain_detector.py`.
"""

from __future__ import annotations

import math
import pickle
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
import yaml
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.family_rows.case import Case, Written
from benchmarks.family_rows.perturbed import as_tensor, labels_of
from edgeseg.metrics.object_agreement import Instances
from edgeseg.scenes.scene import generate
from tests.models.families.plain_detector import Rules, detect, layer_of, pyramid, resnet
from tests.models.families.plain_semantic import plain_semantic_logits, semantic_weights
from tests.models.families.random_weights import (
    Sizes,
    detectron2_name,
    drawn,
    layer_shapes,
    mmdet_name,
)

SIZE_HW = (128, 128)
CLASSES = 6  # without background
MOST, PRE_NMS, POST_NMS, SCORE = 100, 200, 100, 0.3
CELLS = 4.0  # an anchor's side; the libraries' own 8 are for larger pictures
RATIOS = (0.5, 1.0, 2.0)
STRIDES = (4, 8, 16, 32, 64)
RGB_MEAN, RGB_STD, BGR_STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375), (57.375, 57.12, 58.395)
NO_STD = (1.0, 1.0, 1.0)
DELTA_NOISE = 0.3  # times what is drawn: hardly any box is moved out of the picture
MASK_NOISE, MASK_BIAS = 0.5, 1.0  # times what is drawn, and added to it, of masks' logits
R50, R101 = (3, 4, 6, 3), (3, 4, 23, 3)
RESIDUE = 0.3  # of what a block adds; else the maps of a hundred layers grow without end


@dataclass(frozen=True)
class Network:
    """A network of a row.

    Attributes:
        name_of: the library's names of weights.
        blocks: of each stage.
        groups, width_per_group: of ResNeXt.
        caffe: whether strides are in the 1x1 convolutions.
        std: of pixels in 0..255, in the network's order.
        rgb: whether that is red first.
    """

    name_of: Callable[[str], str]
    blocks: tuple[int, ...] = R50
    groups: int = 1
    width_per_group: int = 64
    caffe: bool = False
    std: Sequence[float] = NO_STD
    rgb: bool = False

    @property
    def sizes(self) -> Sizes:
        return Sizes(stem=64, pyramid=256, vector=1024, mask=256, classes=CLASSES, blocks=self.blocks)

    @property
    def mean(self) -> Sequence[float]:
        return RGB_MEAN if self.rgb else RGB_MEAN[::-1]

    @property
    def rules(self) -> Rules:
        is_mmdet = self.name_of is mmdet_name
        return Rules(
            [[CELLS * stride] for stride in STRIDES],
            RATIOS,
            ((1, 1, 1, 1), (0.1, 0.1, 0.2, 0.2)),
            math.log(16 / 1000) if is_mmdet else -math.inf,
            PRE_NMS,
            POST_NMS,
            SCORE,
            MOST,
            self.caffe,
            is_mmdet,
        )

    def pixels(self, frame: NDArray[np.uint8]) -> Tensor:
        return as_tensor(frame, self.mean, self.std, scale=1.0, bgr=not self.rgb)

    def levels(self, weights: Mapping[str, Tensor], frame: NDArray[np.uint8]) -> list[Tensor]:
        layer = layer_of(weights, self.name_of)
        return pyramid(layer, resnet(layer, self.pixels(frame), self.blocks, stride_in_1x1=self.caffe))

    def weights(self) -> dict[str, Tensor]:
        """Draw weights under which the pyramid's values spread as the heads' inputs do."""
        shapes = layer_shapes(self.sizes, groups=self.groups, width_per_group=self.width_per_group)
        return settled(drawn(shapes, self.name_of), self)

    def eager(self, weights: Mapping[str, Tensor], frame: NDArray[np.uint8]) -> Instances:
        """Find objects as the library defines it, masks pasted as it pastes them."""
        with torch.inference_mode():
            levels = self.levels(weights, frame)
            found = detect(layer_of(weights, self.name_of), levels, SIZE_HW, self.rules)
        boxes = np.array(found.boxes, np.float32).reshape(-1, 4)
        masks = [_pasted(mask, box) for mask, box in zip(found.masks, found.boxes, strict=True)]
        return Instances(
            boxes,
            np.array(found.scores, np.float32),
            np.array(found.class_ids, np.int64) + 1,
            np.array(masks, np.float32).reshape(-1, *SIZE_HW),
        )


def settled(weights: dict[str, Tensor], network: Network) -> dict[str, Tensor]:
    """Bring values to what they are in trained networks.

    Every stage and level spreads by about 1, and masks cover most of their box, with edges of their own.
    """
    found = dict(weights)
    if (masks := network.name_of("masks.weight")) in found:
        bias = network.name_of("masks.bias")
        found[masks], found[bias] = found[masks] * MASK_NOISE, found[bias] + MASK_BIAS
        for deltas in (network.name_of("rpn.deltas.weight"), network.name_of("boxes.weight")):
            found[deltas] = found[deltas] * DELTA_NOISE
    for role in (f"res.{s}.{b}.conv3.weight" for s, n in enumerate(network.blocks) for b in range(n)):
        found[network.name_of(role)] = found[network.name_of(role)] * RESIDUE
    stem = network.name_of("stem.weight")
    found[stem] = found[stem] / network.pixels(generate(0, SIZE_HW).image).std()
    layer = layer_of(found, network.name_of)
    with torch.inference_mode():
        image = network.pixels(generate(0, SIZE_HW).image)
        maps = resnet(layer, image, network.blocks, stride_in_1x1=network.caffe)
        for i, stage in enumerate(maps):
            lateral = network.name_of(f"lateral.{i}.weight")
            found[lateral] = found[lateral] / F.conv2d(stage, found[lateral]).std()
        for i, level in enumerate(network.levels(found, generate(0, SIZE_HW).image)[:-1]):
            output = network.name_of(f"output.{i}.weight")
            found[output] = found[output] / level.std()
    return found


def _pasted(mask: NDArray[np.float64], box: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Sample a mask at the centres of the frame's pixels, zeros around it."""
    left, top, right, bottom = box
    x = torch.tensor((np.arange(SIZE_HW[1]) + 0.5 - left) / (right - left) * 2 - 1)
    y = torch.tensor((np.arange(SIZE_HW[0]) + 0.5 - top) / (bottom - top) * 2 - 1)
    grid = torch.stack(torch.meshgrid(x, y, indexing="xy"), dim=-1)[None]
    whole = F.grid_sample(torch.from_numpy(mask)[None, None], grid, align_corners=False)
    inside: NDArray[np.bool_] = (whole[0, 0] >= 0.5).numpy()
    return inside


def _detectron2_config(network: Network) -> str:
    model = {
        "META_ARCHITECTURE": "GeneralizedRCNN",
        "PIXEL_MEAN": list(network.mean),
        "PIXEL_STD": list(network.std),
        "RESNETS": {"STRIDE_IN_1X1": network.caffe, "NORM": "FrozenBN"},
        "ANCHOR_GENERATOR": {
            "SIZES": [[CELLS * stride] for stride in STRIDES],
            "ASPECT_RATIOS": [list(RATIOS)],
        },
        "RPN": {"PRE_NMS_TOPK_TEST": PRE_NMS, "POST_NMS_TOPK_TEST": POST_NMS},
    }
    return yaml.safe_dump({"MODEL": model, "INPUT": {"FORMAT": "RGB" if network.rgb else "BGR"}})


def _write_detectron2(folder: Path, *, network: Network, pickled: bool) -> Written:
    weights = network.weights()
    (folder / "config.yaml").write_text(_detectron2_config(network))
    if pickled:
        path = folder / "model_final.pkl"
        arrays = {name: tensor.numpy() for name, tensor in weights.items()}
        path.write_bytes(pickle.dumps({"model": arrays, "__author__": "Detectron2 Model Zoo"}, protocol=3))
    else:
        path = folder / "model_final.pth"
        torch.save({"model": weights, "iteration": 89999}, path)
    return Written(path, partial(network.eager, weights))


def _write_semantic(folder: Path) -> Written:
    network = Network(detectron2_name, caffe=True)
    weights = settled(semantic_weights(network.sizes, channels=128, classes=CLASSES), network)
    head = "sem_seg_head.predictor.bias"
    with torch.inference_mode():
        logits = plain_semantic_logits(weights, network.pixels(generate(0, SIZE_HW).image), R50)
    weights[head] = weights[head] - logits.mean(dim=(0, 2, 3))
    torch.save({"model": weights}, folder / "model_final.pth")
    (folder / "config.yaml").write_text(_detectron2_config(network))

    def eager(frame: NDArray[np.uint8]) -> NDArray[np.uint8]:
        with torch.inference_mode():
            return labels_of(plain_semantic_logits(weights, network.pixels(frame), R50), SIZE_HW)

    return Written(folder / "model_final.pth", eager)


DETECTRON2 = partial(Case, family="detectron2", expected="detectron2:MaskRCNN", score_threshold=SCORE)
MSRA = partial(Network, detectron2_name, caffe=True)

CASES = (
    *(
        DETECTRON2(
            architecture=f"Mask R-CNN {backbone}-FPN",
            written="model zoo .pkl, config.yaml" if pickled else "trainer's .pth, config.yaml",
            write=partial(_write_detectron2, network=network, pickled=pickled),
        )
        for backbone, network, pickled in (
            ("R50", MSRA(), False),
            ("R50", MSRA(), True),
            ("R101", MSRA(blocks=R101), True),
            (
                "X101 32x8d",
                Network(detectron2_name, R101, groups=32, width_per_group=8, std=BGR_STD),
                True,
            ),
        )
    ),
    Case(
        family="detectron2",
        architecture="semantic FPN R50",
        written="trainer's .pth, config.yaml",
        write=_write_semantic,
        expected="detectron2:SemanticFPN",
    ),
)
