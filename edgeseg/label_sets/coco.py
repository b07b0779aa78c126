"""COCO 2017: 80 things, whose category ids reach from 1 to 90."""

from __future__ import annotations

from edgeseg.label_sets.label_set import LabelSet, colours, names
from edgeseg.palette import UNPAINTED_RGB

_NAMES = """
person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign,
parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella,
handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove,
skateboard, surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple,
sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining
table, toilet, tv, laptop, mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink,
refrigerator, book, clock, vase, scissors, teddy bear, hair drier, toothbrush
"""
_COLOURS = """
dc143c 770b20 00008e 0000e6 6a00e4 003c64 005064 000046 0000c0 faaa1e 64aa1e dcdc00 af74af fa001e a52a2a
ff4dff 00e2fc b6b6ff 005200 78a69d 6e4c00 ae39ff c76400 480076 ffb3f0 007d5c d10097 bcd0b6 00dcb0 ff63a4
5c0049 8581ff 4eb4ff 00e400 aefff3 2d59ff 868667 9194ae ffd0ba c5e2ff ab8601 6d3f36 cf8aff 97005f 09503d
546933 4a4169 a6c466 d0c3d2 ff6d41 008f95 b300c2 d1636a 057900 e3ffcd 93bad0 994501 035fa1 a3ff00 7700aa
00b6c7 00a578 b78258 5f2000 827287 6e8185 a64a76 db8eb9 4fd272 b25a3e 41460f 7fa773 3b696a 8e6c2d c4ac00
5f3650 804cff c93901 f6007a bfa2d0
"""
UNUSED = "N/A"
UNUSED_IDS = (12, 26, 29, 30, 45, 66, 68, 69, 71, 83)
_IDS = [category_id for category_id in range(1, 91) if category_id not in UNUSED_IDS]
_BY_ID = dict(zip(_IDS, zip(names(_NAMES), colours(_COLOURS), strict=True), strict=True))
_NONE = (UNUSED, UNPAINTED_RGB)

COCO_80 = LabelSet("coco-80", names(_NAMES), colours(_COLOURS))
"""The things by contiguous ids from 0."""

COCO_81 = LabelSet("coco-81", ("background", *names(_NAMES)), (UNPAINTED_RGB, *colours(_COLOURS)))
"""The things by contiguous ids from 1, as detectors that count a background have them."""

COCO = LabelSet(
    "coco",
    ("background", *(_BY_ID.get(category_id, _NONE)[0] for category_id in range(1, 91))),
    (UNPAINTED_RGB, *(_BY_ID.get(category_id, _NONE)[1] for category_id in range(1, 91))),
)
"""The things by category id; ten of the ids are unused."""
