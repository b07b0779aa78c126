"""Read from detectron2's `config.yaml`, or else from the weights, what its network needs besides the weights.

Defaults are those of the library's configurations of Mask R-CNN on feature pyramids.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor

from edgeseg.errors import CheckpointError, shown
from edgeseg.models.families.config_files import read_config
from edgeseg.models.families.detectron2.names import CELL_ANCHORS, PIXEL_MEAN, PIXEL_STD
from edgeseg.models.families.family import Source
from edgeseg.models.mask_rcnn import ANCHOR_SIZES, ASPECT_RATIOS
from edgeseg.models.roi_heads import DELTA_WEIGHTS
from edgeseg.spec import ChannelOrder, PerChannel

CONFIG, BASE = "config.yaml", "_BASE_"
REMEDY = "put that file beside the weights and name it so, or write all settings into one, as cfg.dump() does"
THE_FILE = "the checkpoint itself"
DEFAULT = "detectron2's defaults"
BGR_MEAN = (103.53, 116.28, 123.675)  # of ImageNet, as MSRA's caffe weights take it
UNIT_STD = (1.0, 1.0, 1.0)
RESNEXT_BGR_STD = (57.375, 57.12, 58.395)  # of the model zoo's ResNeXt
RPN_DELTA_WEIGHTS = (1.0, 1.0, 1.0, 1.0)
SHORT_SIDE = 800  # pixels
SHORT_SIDE_KEY, LONG_SIDE_KEY = "INPUT.MIN_SIZE_TEST", "INPUT.MAX_SIZE_TEST"
LONG_SIDE = 1333  # pixels, at most
STRIDE_KEY = "MODEL.RESNETS.STRIDE_IN_1X1"
LIMIT_KEYS = ("MODEL.ROI_HEADS.SCORE_THRESH_TEST", "TEST.DETECTIONS_PER_IMAGE")
RESNEXT = "ResNeXt"  # begins the name of such a backbone
BATCH_NORMS = ("FrozenBN", "BN", "SyncBN", "nnSyncBN", "naiveSyncBN")
PIXEL_DECIMALS = 4  # of means and deviations, which float32 holds
DECIMALS = 3  # of anchors' sides and ratios, as weights hold them


@dataclass(frozen=True)
class Config:
    """What a configuration says, or what is taken where there is none.

    Attributes:
        files: their content by name: the configuration, then what it builds on; empty where there is none.
    """

    files: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def get(self, path: str, default: Any) -> Any:
        """Look an entry up, such as `MODEL.RPN.NMS_THRESH`."""
        values = (_entry(content, path) for content in self.files.values())
        return next((value for value in values if value is not None), default)

    def says(self, *paths: str) -> str:
        """Name who says entries: the file that has one of them."""
        having = (
            name
            for name, content in self.files.items()
            if any(_entry(content, path) is not None for path in paths)
        )
        return next(having, DEFAULT)


def config_of(source: Source) -> Config:
    """Find the configuration among what lies beside the weights, and the files that it builds on.

    Raises:
        CheckpointError: if one of those is missing, or lies in no folder of the weights.
    """
    name = CONFIG if CONFIG in source.configs else "config.yml"
    content = source.configs.get(name)
    if not isinstance(content, Mapping) or not {"MODEL", BASE} & content.keys():
        return Config()
    files = {name: content}
    folder = source.path if source.path.is_dir() else source.path.parent
    while BASE in content:
        below = content[BASE]
        content = _read_base(below, folder, name)
        name = str(below)
        if name in files:
            raise CheckpointError(f"{name} of {folder} builds on itself: {REMEDY}")
        files[name] = content
    return Config(files)


def _read_base(name: Any, folder: Path, above: str) -> Mapping[str, Any]:
    """Read the file that another builds on: one in the weights' folder, wherever else the name may lead."""
    inside = isinstance(name, str) and not PurePath(name).is_absolute() and ".." not in PurePath(name).parts
    if not inside or not (folder / name).is_file():
        where = "is not there" if inside else "does not lie in the folder of the weights, and is not read"
        raise CheckpointError(f"{above} of {folder} builds on {shown(name)}, which {where}: {REMEDY}")
    content = read_config(folder / name)
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{folder / name} holds no settings of detectron2: {REMEDY}")
    return content


def _entry(content: Mapping[str, Any], path: str) -> Any:
    value: Any = content
    for key in path.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def pixels(
    config: Config, weights: Mapping[str, Tensor], backbone: str
) -> tuple[PerChannel, PerChannel, ChannelOrder, str]:
    """Give mean and deviation of pixels in 0..255, red first, the channels' order, and who says so."""
    usual_std = RESNEXT_BGR_STD if RESNEXT in backbone else UNIT_STD
    stored = PIXEL_MEAN in weights and PIXEL_STD in weights
    mean = _three(weights[PIXEL_MEAN]) if stored else config.get("MODEL.PIXEL_MEAN", BGR_MEAN)
    std = (
        _three(weights[PIXEL_STD])
        if stored
        else config.get("MODEL.PIXEL_STD", UNIT_STD if config.files else usual_std)
    )
    # ImageNet's red is brighter than its blue: the larger mean is red's.
    rgb_first = mean[0] > mean[2]
    order = config.get("INPUT.FORMAT", "RGB" if rgb_first else "BGR")
    is_bgr = order == "BGR"
    source = THE_FILE if stored else config.says("MODEL.PIXEL_MEAN", "MODEL.PIXEL_STD")
    return _red_first(mean, is_bgr), _red_first(std, is_bgr), "bgr" if is_bgr else "rgb", source


def stride_in_1x1(config: Config, weights: Mapping[str, Tensor], backbone: str) -> tuple[bool, str]:
    """Tell whether a block's stride is in its first convolution, and who says so; weights do not show it.

    MSRA's ResNets, which take pixels of deviation 1, have it there; ResNeXt, and what takes normalised
    pixels, have it in the 3x3 convolution.
    """
    said = config.get(STRIDE_KEY, None)
    if said is not None:
        return bool(said), config.says(STRIDE_KEY)
    _, std, _, _ = pixels(config, weights, backbone)
    return std == UNIT_STD and RESNEXT not in backbone, ""


def anchors(config: Config, weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], str]:
    """Give `anchor_sizes` and `aspect_ratios` of `MaskRCNN`, and who says so."""
    stored = sorted(
        (int(m[1]), tensor) for name, tensor in weights.items() if (m := CELL_ANCHORS.match(name))
    )
    if stored:
        found = [_sizes_and_ratios(tensor) for _, tensor in stored]
        return {"anchor_sizes": tuple(sizes for sizes, _ in found), "aspect_ratios": found[0][1]}, THE_FILE
    sizes = config.get("MODEL.ANCHOR_GENERATOR.SIZES", ANCHOR_SIZES)
    ratios = config.get("MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS", (ASPECT_RATIOS,))
    of_all = ratios[0] if isinstance(ratios[0], Sequence) else ratios
    return {"anchor_sizes": tuple(map(tuple, sizes)), "aspect_ratios": tuple(of_all)}, config.says(
        "MODEL.ANCHOR_GENERATOR.SIZES"
    )


def detector_parameters(config: Config) -> dict[str, Any]:
    """Give the parameters of `MaskRCNN` by which boxes are chosen."""
    return {
        "rpn_pre_nms": config.get("MODEL.RPN.PRE_NMS_TOPK_TEST", 1000),
        "rpn_post_nms": config.get("MODEL.RPN.POST_NMS_TOPK_TEST", 1000),
        "rpn_nms_threshold": config.get("MODEL.RPN.NMS_THRESH", 0.7),
        "mask_grid": config.get("MODEL.ROI_MASK_HEAD.POOLER_RESOLUTION", 14),
        "score_threshold": config.get(LIMIT_KEYS[0], 0.05),
        "box_nms_threshold": config.get("MODEL.ROI_HEADS.NMS_THRESH_TEST", 0.5),
        "detections_per_image": config.get(LIMIT_KEYS[1], 100),
    }


def size_hw(config: Config) -> tuple[int, int] | None:
    """Give the size that a picture of 4:3 is tested at; None where pictures keep their own."""
    said = config.get(SHORT_SIDE_KEY, SHORT_SIDE)
    short = int(said if isinstance(said, (int, float)) else said[0])
    if short <= 0:
        return None
    return short, min(round(short * 4 / 3), int(config.get(LONG_SIDE_KEY, LONG_SIDE)))


def delta_divisors(config: Config) -> tuple[Sequence[float], Sequence[float]]:
    """Give what anchors' and boxes' deltas are divided by."""
    return (
        config.get("MODEL.RPN.BBOX_REG_WEIGHTS", RPN_DELTA_WEIGHTS),
        config.get("MODEL.ROI_BOX_HEAD.BBOX_REG_WEIGHTS", DELTA_WEIGHTS),
    )


def unlike(config: Config) -> str:
    """Name a setting under which edgeseg's network would compute something else; empty if there is none."""
    kept = {
        "MODEL.ANCHOR_GENERATOR.OFFSET": 0.0,
        "MODEL.ROI_BOX_HEAD.POOLER_TYPE": "ROIAlignV2",
        "MODEL.ROI_MASK_HEAD.POOLER_TYPE": "ROIAlignV2",
        "MODEL.ROI_BOX_HEAD.POOLER_SAMPLING_RATIO": 0,
        "MODEL.ROI_MASK_HEAD.POOLER_SAMPLING_RATIO": 0,
        "MODEL.RESNETS.RES5_DILATION": 1,
        "MODEL.PROPOSAL_GENERATOR.MIN_SIZE": 0,
        "MODEL.FPN.FUSE_TYPE": "sum",
        "MODEL.RPN.IN_FEATURES": ["p2", "p3", "p4", "p5", "p6"],
        "MODEL.ROI_HEADS.IN_FEATURES": ["p2", "p3", "p4", "p5"],
        "MODEL.ROI_BOX_HEAD.USE_SIGMOID_CE": False,
        "MODEL.SEM_SEG_HEAD.COMMON_STRIDE": 4,
        "MODEL.RPN.BOUNDARY_THRESH": -1,
    }
    norm = config.get("MODEL.RESNETS.NORM", BATCH_NORMS[0])
    if norm not in BATCH_NORMS:
        return f"MODEL.RESNETS.NORM {norm}"
    other = (f"{path} {value}" for path, usual in kept.items() if (value := config.get(path, usual)) != usual)
    return next(other, "")


def _sizes_and_ratios(cell: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Read sizes and ratios off a cell's anchors (A, 4), which vary by ratios fastest."""
    width, height = (cell[:, 2:] - cell[:, :2]).double().T
    sizes = torch.round(torch.sqrt(width * height), decimals=DECIMALS).tolist()
    ratios = torch.round(height / width, decimals=DECIMALS).tolist()
    return tuple(dict.fromkeys(sizes)), tuple(dict.fromkeys(ratios))


def _three(values: Tensor) -> PerChannel:
    one, two, three = (round(value, PIXEL_DECIMALS) for value in values.flatten().double().tolist())
    return one, two, three


def _red_first(values: Sequence[float], is_bgr: bool) -> PerChannel:
    one, two, three = map(float, values)
    return (three, two, one) if is_bgr else (one, two, three)
