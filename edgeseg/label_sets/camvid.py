"""CamVid in the 11 classes that SegNet made of it, and the same with its void counted as a twelfth."""

from __future__ import annotations

from edgeseg.label_sets.label_set import LabelSet, colours, names
from edgeseg.palette import UNPAINTED_RGB

_NAMES = """
sky, building, pole, road, pavement, tree, sign symbol, fence, car, pedestrian, bicyclist
"""
_COLOURS = """
808080 800000 c0c080 804080 3c28de 808000 c08080 404080 400080 404000 0080c0
"""

VOID = 11  # in its label maps

CAMVID = LabelSet("camvid", names(_NAMES), colours(_COLOURS), VOID)
CAMVID_12 = LabelSet(
    "camvid-12", (*CAMVID.class_names, "unlabelled"), (*CAMVID.palette_rgb, UNPAINTED_RGB), VOID
)
"""Networks are trained with the void as a class, 11, but not scored by it."""
