"""The class names of the data sets that published weights were trained on, by class id."""

from __future__ import annotations

UNUSED = "N/A"

# fmt: off
VOC = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow",
    "diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train",
    "tvmonitor",
)
"""PASCAL VOC 2012: 21 classes."""

COCO = (
    "background", "person", "bicycle", "car", "motorcycle", "airplane", "bus", "train", "truck", "boat",
    "traffic light", "fire hydrant", UNUSED, "stop sign", "parking meter", "bench", "bird", "cat", "dog",
    "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe", UNUSED, "backpack", "umbrella", UNUSED,
    UNUSED, "handbag", "tie", "suitcase", "frisbee", "skis", "snowboard", "sports ball", "kite",
    "baseball bat", "baseball glove", "skateboard", "surfboard", "tennis racket", "bottle", UNUSED,
    "wine glass", "cup", "fork", "knife", "spoon", "bowl", "banana", "apple", "sandwich", "orange",
    "broccoli", "carrot", "hot dog", "pizza", "donut", "cake", "chair", "couch", "potted plant", "bed",
    UNUSED, "dining table", UNUSED, UNUSED, "toilet", UNUSED, "tv", "laptop", "mouse", "remote", "keyboard",
    "cell phone", "microwave", "oven", "toaster", "sink", "refrigerator", UNUSED, "book", "clock", "vase",
    "scissors", "teddy bear", "hair drier", "toothbrush",
)
"""COCO 2017 by category id, 1 to 90; ten of the ids are unused."""
# fmt: on

DEMO = ("background", "ball", "box", "cone", "ring", "star")
"""The demo's synthetic scenes."""
