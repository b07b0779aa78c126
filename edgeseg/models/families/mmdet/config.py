"""Read from the `meta` of MMDetection's checkpoints, versions 2 and 3, what weights do not hold.

Defaults are those of the library's configurations of Mask R-CNN.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgeseg.models.families.python_config import read_python_config
from edgeseg.models.families.region_detector import limits_note
from edgeseg.spec import ChannelOrder, PerChannel, ResizePolicy

DETECTOR, PANOPTIC = "MaskRCNN", "PanopticFPN"
META = "meta"
CONFIG, CLASSES = "the config in the checkpoint's meta", "the classes in the checkpoint's meta"
DEFAULT = "MMDetection's defaults"
CONFIG_KEYS = ("cfg", "config")  # of version 3, of version 2
MEAN_RGB, STD_RGB = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
UNIT_STD = (1.0, 1.0, 1.0)  # of BGR pixels, as MSRA's caffe weights take them
CAFFE2_RESNEXT = " 32x8d"  # such a ResNeXt, which began as caffe2's, takes BGR pixels
IMAGE_SCALE = (1333, 800)  # pixels
BOX_DEVIATIONS, ANCHOR_DEVIATIONS = (0.1, 0.1, 0.2, 0.2), (1.0, 1.0, 1.0, 1.0)
NO_MEANS = (0.0, 0.0, 0.0, 0.0)
MASK_THRESHOLD = 0.5  # of a probability; MMDetection's own, and where a negative number asks for none
RATIOS, SCALES, STRIDES = (0.5, 1.0, 2.0), (8,), (4, 8, 16, 32, 64)


@dataclass(frozen=True)
class Config:
    """The configuration as plain values, empty where there is none."""

    node: Mapping[str, Any] = field(default_factory=dict)

    def get(self, path: str, default: Any) -> Any:
        """Look an entry up, such as `model.test_cfg.rpn.nms_pre`; of version 1 and 2 also beside `model`."""
        for start in (path, path.removeprefix("model.")):
            value: Any = self.node
            for key in start.split("."):
                value = value.get(key) if isinstance(value, Mapping) else None
            if value is not None:
                return value
        return default


def config_of(configs: Mapping[str, Any]) -> Config:
    """Find the configuration in the meta data.

    Raises:
        CheckpointError: if it is no Python.
    """
    meta = configs.get(META)
    texts = [meta.get(key) for key in CONFIG_KEYS] if isinstance(meta, Mapping) else []
    text = next((text for text in texts if isinstance(text, str)), None)
    return Config() if text is None else Config(read_python_config(text))


def classes_of(configs: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Find the names of the classes, without background; of version 3 under `dataset_meta`."""
    meta = configs.get(META)
    if not isinstance(meta, Mapping):
        return None
    data = meta.get("dataset_meta")
    for node in (data, meta):
        for key in ("THING_CLASSES", "thing_classes", "CLASSES", "classes"):  # a panoptic set's objects first
            names = node.get(key) if isinstance(node, Mapping) else None
            if isinstance(names, Sequence) and names and not isinstance(names, str):
                return tuple(map(str, names))
    return None


def pixels(config: Config, backbone: str, *, caffe: bool) -> tuple[PerChannel, PerChannel, ChannelOrder, str]:
    """Give mean and deviation of pixels in 0..255, red first, the channels' order, and who says so.

    The library reads pictures as BGR, and turns mean and deviation along with the channels: they are in the
    network's order.

    Args:
        backbone: its name, which tells with which pixels it was trained where nobody says that.
        caffe: its style, which tells that, too.
    """
    version_3 = config.get("model.data_preprocessor", None)
    normalize = next(_transforms(config, "Normalize"), config.get("img_norm_cfg", {}))
    node = version_3 if isinstance(version_3, Mapping) and "mean" in version_3 else normalize
    if "mean" not in node:
        if caffe or backbone.endswith(CAFFE2_RESNEXT):
            return MEAN_RGB, UNIT_STD if caffe else STD_RGB, "bgr", DEFAULT
        return MEAN_RGB, STD_RGB, "rgb", DEFAULT
    is_rgb = node.get("bgr_to_rgb", False) if node is version_3 else node.get("to_rgb", True)
    mean, std = (tuple(map(float, node[key])) for key in ("mean", "std"))
    order: ChannelOrder = "rgb" if is_rgb else "bgr"
    return _red_first(mean, is_rgb), _red_first(std, is_rgb), order, CONFIG


def size_hw(config: Config) -> tuple[tuple[int, int], str]:
    """Give the size that a picture of 4:3 is tested at, and who says so."""
    said = next(_scales(config), None)
    scale = said or IMAGE_SCALE
    short = int(min(scale))
    return (short, min(round(short * 4 / 3), int(max(scale)))), CONFIG if said else DEFAULT


def resize(config: Config) -> tuple[ResizePolicy, str]:
    """Tell whether pictures keep their ratio, and who says so."""
    step = next(_transforms(config, "Resize"), {})
    return "shortest_edge" if step.get("keep_ratio", True) else "stretch", CONFIG if step else DEFAULT


def anchors(config: Config) -> dict[str, Any]:
    """Give `anchor_sizes` and `aspect_ratios` of `MaskRCNN`: a scale times the level's stride each."""
    node = config.get("model.rpn_head.anchor_generator", {})
    scales, strides = node.get("scales", SCALES), node.get("strides", STRIDES)
    return {
        "anchor_sizes": tuple(tuple(float(scale * stride) for scale in scales) for stride in strides),
        "aspect_ratios": tuple(map(float, node.get("ratios", RATIOS))),
    }


def detector_parameters(config: Config) -> dict[str, Any]:
    """Give the parameters of `MaskRCNN` by which boxes are chosen."""
    rpn, rcnn = (config.get(f"model.test_cfg.{part}", {}) for part in ("rpn", "rcnn"))
    most = rpn.get("max_per_img", rpn.get("nms_post", 1000))
    return {
        "rpn_pre_nms": rpn.get("nms_pre", 1000),
        "rpn_post_nms": most,
        "rpn_nms_threshold": _threshold(rpn, rpn.get("nms_thr", 0.7)),
        "mask_grid": config.get("model.roi_head.mask_roi_extractor.roi_layer.output_size", 14),
        "score_threshold": rcnn.get("score_thr", 0.05),
        "box_nms_threshold": _threshold(rcnn, 0.5),
        "detections_per_image": rcnn.get("max_per_img", 100),
    }


def test_notes(config: Config) -> list[str]:
    """Say what of the configuration's test the export does in its own way."""
    rcnn, notes = config.get("model.test_cfg.rcnn", {}), []
    if "score_thr" in rcnn or "max_per_img" in rcnn:
        limits = detector_parameters(config)
        notes.append(limits_note(CONFIG, limits["score_threshold"], limits["detections_per_image"]))
    if (threshold := rcnn.get("mask_thr_binary", MASK_THRESHOLD)) != mask_threshold(config):
        notes.append(
            f"{CONFIG} has mask_thr_binary={threshold:g}, which leaves masks as probabilities; pixels are "
            f"inside from {MASK_THRESHOLD:g} on"
        )
    return notes


def mask_threshold(config: Config) -> float:
    """Give the probability from which on a pixel is inside a mask."""
    said = config.get("model.test_cfg.rcnn.mask_thr_binary", MASK_THRESHOLD)
    return float(said) if 0 <= said <= 1 else MASK_THRESHOLD


def deviations(config: Config, head: str, usual: Sequence[float]) -> tuple[Sequence[float], Sequence[float]]:
    """Give deviations and means of a head's deltas, `model.rpn_head` or `model.roi_head.bbox_head`."""
    coder = config.get(f"{head}.bbox_coder", {})
    return coder.get("target_stds", usual), coder.get("target_means", NO_MEANS)


def unlike(config: Config) -> str:
    """Name a setting under which edgeseg's network would compute something else; empty if there is none."""
    align = {"type": "RoIAlign", "sampling_ratio": 0, "aligned": True}
    kept = {
        **{
            f"model.roi_head.{part}_roi_extractor.roi_layer.{key}": value
            for part in ("bbox", "mask")
            for key, value in align.items()
        },
        "model.roi_head.type": "StandardRoIHead",
        "model.neck.type": "FPN",
        "model.neck.num_outs": len(STRIDES),
        "model.neck.add_extra_convs": False,
        "model.rpn_head.anchor_generator.type": "AnchorGenerator",
        "model.backbone.deep_stem": False,
        "model.backbone.avg_down": False,
        "model.test_cfg.rcnn.nms.type": "nms",
        "model.rpn_head.anchor_generator.center_offset": 0.0,
        "model.rpn_head.bbox_coder.type": "DeltaXYWHBBoxCoder",
        "model.roi_head.bbox_head.bbox_coder.type": "DeltaXYWHBBoxCoder",
        "model.roi_head.bbox_head.loss_cls.use_sigmoid": False,
    }
    if (kind := config.get("model.type", DETECTOR)) not in (DETECTOR, PANOPTIC):
        return f"model.type = {kind!r}"
    other = (
        f"{path} = {value!r}" for path, usual in kept.items() if (value := config.get(path, usual)) != usual
    )
    return next(other, "")


def _threshold(node: Mapping[str, Any], usual: float) -> Any:
    nms = node.get("nms", {})
    return nms.get("iou_threshold", nms.get("iou_thr", usual)) if isinstance(nms, Mapping) else usual


def _pipelines(config: Config) -> Iterator[Any]:
    yield config.get("test_pipeline", None)
    for data in ("test_dataloader.dataset", "data.test", "val_dataloader.dataset", "data.val"):
        yield config.get(f"{data}.pipeline", None)


def _transforms(config: Config, kind: str) -> Iterator[Mapping[str, Any]]:
    """Find the steps of a kind in the pipelines of the test, also within other steps."""
    pending = [step for pipeline in _pipelines(config) if isinstance(pipeline, list) for step in pipeline]
    while pending:
        step = pending.pop(0)
        if isinstance(step, Mapping):
            if step.get("type") == kind:
                yield step
            inner = step.get("transforms")
            pending = [*(inner if isinstance(inner, list) else []), *pending]


def _scales(config: Config) -> Iterator[tuple[int, int]]:
    for kind, key in (("Resize", "scale"), ("MultiScaleFlipAug", "img_scale"), ("Resize", "img_scale")):
        for step in _transforms(config, kind):
            scale = step.get(key)
            if (
                isinstance(scale, tuple)
                and len(scale) == len(IMAGE_SCALE)
                and all(isinstance(side, int) for side in scale)
            ):
                yield scale


def _red_first(values: Sequence[float], is_rgb: bool) -> PerChannel:
    one, two, three = values
    return (one, two, three) if is_rgb else (three, two, one)
