"""Turn the name of a network that the zoo does not have into what was meant, or what to write instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

TORCHVISION_SEGMENTERS = ("fcn_resnet50", "fcn_resnet101", "lraspp_mobilenet_v3_large")
"""Networks of torchvision that the zoo does not have."""

BOX_DETECTORS = re.compile(
    r"(faster_?rcnn|keypoint_?rcnn|retinanet|fcos|ssd|ssdlite|yolo|detr)", re.IGNORECASE
)
"""How the names of networks begin that find boxes, not masks."""

NEAR = 0.8  # of `difflib`'s ratio: a slip of the finger, and not another network


def hint(name: str, names: Sequence[str]) -> str:
    """Say what was meant by a name that is not among `names`, if that is clear, or what to write instead."""
    own = "your own is package.module:function or file.py:function"
    if name in TORCHVISION_SEGMENTERS:
        return (
            "it is torchvision's, and not in the zoo; where torchvision is installed, write "
            f"'torchvision.models.segmentation:{name}?weights_backbone=None'"
        )
    if BOX_DETECTORS.match(name):
        return f"a network of that name finds boxes, and edgeseg runs networks that segment; {own}"
    longer = [known for known in names if known.startswith(f"{name}_")]
    like = [known for known in names if _same_numbers(name, known)]
    if close := longer or difflib.get_close_matches(name, like, n=1, cutoff=NEAR):
        return f"did you mean {' or '.join(close)}?"
    return f"there are {', '.join(names)}; {own}"


def _same_numbers(name: str, known: str) -> bool:
    """Tell whether a name has the numbers of a known one, up to digits left out: resnet5 may be resnet50."""
    given, wanted = (re.findall(r"\d+", text) for text in (name, known))
    return all(any(number.startswith(part) for number in wanted) for part in given)
