"""Segment a folder of images and write one mask an image: white where a class is, black elsewhere.

    python examples/masks_of_a_folder.py ENGINE IMAGES MASKS --class-name road

`stream` reads the folder in the order of its names; a frame knows the name of its file.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from edgeseg.runtime import Segmenter, stream


def main() -> None:
    """Read the command line and write the masks."""
    parser = argparse.ArgumentParser(description="Write a mask of one class for each image of a folder.")
    parser.add_argument("engine", type=Path, help="an engine with labels, made by edgeseg build")
    parser.add_argument("images", type=Path, help="a folder of images")
    parser.add_argument("masks", type=Path, help="the folder to write")
    parser.add_argument("--class-name", required=True, help="the class that becomes white")
    arguments = parser.parse_args()

    arguments.masks.mkdir(parents=True, exist_ok=True)
    with Segmenter.open(arguments.engine) as segment:
        names = segment.spec.class_names
        if arguments.class_name not in names:
            parser.error(f"no class {arguments.class_name!r}; the engine knows {', '.join(names)}")
        class_id = names.index(arguments.class_name)
        for frame, result in stream(arguments.images, segment):
            mask = (result.labels == class_id).astype(np.uint8) * 255  # (H, W) in the image's own pixels
            path = arguments.masks / Path(frame.name).with_suffix(".png").name
            cv2.imwrite(str(path), mask)
            print(f"{path}: {np.count_nonzero(mask) / mask.size:.1%} {arguments.class_name}")


if __name__ == "__main__":
    main()
