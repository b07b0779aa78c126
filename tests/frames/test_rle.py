from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from edgeseg.frames.rle import decode, encode_crop, encode_labels

FRAME_HW = (5, 7)


def test_runs_go_down_the_columns_and_start_outside() -> None:
    # column 1 holds rows 1 and 2, column 2 row 1: 4 + 1 outside, 2 in, 3 out, 1 in, 13 out of 24
    window = np.array([[True, True], [True, False]])
    packed = encode_crop(window, 1, 1, (4, 6))
    by_hand = coco_mask.frPyObjects({"size": [4, 6], "counts": [5, 2, 2, 1, 14]}, 4, 6)
    assert packed == {"size": [4, 6], "counts": by_hand["counts"].decode()}


@given(st.data())
def test_a_crop_encodes_as_its_full_frame_does(data: st.DataObject) -> None:
    top, left = data.draw(st.integers(0, 5)), data.draw(st.integers(0, 7))
    height, width = data.draw(st.integers(0, 5 - top)), data.draw(st.integers(0, 7 - left))
    bits = data.draw(st.lists(st.booleans(), min_size=height * width, max_size=height * width))
    crop = np.array(bits, dtype=bool).reshape(height, width)
    full = np.zeros(FRAME_HW, dtype=np.uint8)
    full[top : top + height, left : left + width] = crop
    expected = coco_mask.encode(np.asfortranarray(full))
    assert encode_crop(crop, left, top, FRAME_HW) == {
        "size": list(FRAME_HW),
        "counts": expected["counts"].decode(),
    }


def test_every_class_of_a_label_map_encodes_as_its_mask_does() -> None:
    labels = np.random.default_rng(0).integers(0, 4, (9, 6)).astype(np.uint8) * 60
    encoded = encode_labels(labels)
    assert list(encoded) == [0, 60, 120, 180]
    for class_id, rle in encoded.items():
        expected = coco_mask.encode(np.asfortranarray(labels == class_id).astype(np.uint8))
        assert rle["counts"] == expected["counts"].decode()


def test_decoding_gives_the_mask_and_refuses_runs_of_another_size() -> None:
    mask = np.random.default_rng(2).random((9, 6)) < 0.5
    assert (decode(encode_crop(mask, 0, 0, (9, 6))) == mask).all()
    longer = coco_mask.frPyObjects({"size": [4, 4], "counts": [3, 40]}, 4, 4)
    with pytest.raises(ValueError, match="Invalid RLE"):
        decode(longer)
