"""Cityscapes by its 19 train ids, in which networks are trained and scored."""

from __future__ import annotations

from edgeseg.label_sets.label_set import LabelSet, colours, names

_NAMES = """
road, sidewalk, building, wall, fence, pole, traffic light, traffic sign, vegetation, terrain, sky, person,
rider, car, truck, bus, train, motorcycle, bicycle
"""
_COLOURS = """
804080 f423e8 464646 66669c be9999 999999 faaa1e dcdc00 6b8e23 98fb98 4682b4 dc143c ff0000 00008e 000046
003c64 005064 0000e6 770b20
"""

CITYSCAPES = LabelSet("cityscapes", names(_NAMES), colours(_COLOURS))
