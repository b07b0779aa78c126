"""PASCAL VOC 2012: a background and 20 kinds of things; 255 in its maps is not counted."""

from __future__ import annotations

from edgeseg.label_sets.label_set import LabelSet, colours, names

_NAMES = """
background, aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse,
motorbike, person, pottedplant, sheep, sofa, train, tvmonitor
"""
_COLOURS = """
000000 800000 008000 808000 000080 800080 008080 808080 400000 c00000 408000 c08000 400080 c00080 408080
c08080 004000 804000 00c000 80c000 004080
"""

VOC = LabelSet("voc", names(_NAMES), colours(_COLOURS))
