"""A collection that a tiny detector learns in seconds: coloured rectangles on noise, one colour per class."""

from __future__ import annotations

import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from include.dataset.tfrecord import Floats, Ints, encode_example, frame

COLOURS = {"red": (220, 40, 40), "green & <b>bold</b>": (40, 200, 60), "blue": (50, 60, 230)}
WIDTH, HEIGHT = 120, 90  # not square: swapped axes would show


@dataclass(frozen=True)
class ToyImage:
    encoded: bytes
    boxes: tuple[tuple[int, int, int, int], ...]  # x, y, width, height in pixels
    classes: tuple[int, ...]  # from 1

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.encoded).hexdigest()


def make_images(count: int, seed: int) -> list[ToyImage]:
    """Images with a rectangle in the left half, every other one with a second in the right; classes take turns."""
    random = np.random.default_rng(seed)
    images = []
    for number in range(count):
        pixels = random.integers(90, 150, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        boxes, classes = [], []
        for half in range(1 + number % 2):
            width, height = (int(side) for side in random.integers(26, 44, 2))
            x = half * WIDTH // 2 + int(random.integers(0, WIDTH // 2 - width))
            y = int(random.integers(0, HEIGHT - height))
            class_id = (number + half) % len(COLOURS) + 1
            pixels[y : y + height, x : x + width] = list(COLOURS.values())[class_id - 1]
            boxes.append((x, y, width, height))
            classes.append(class_id)
        file = io.BytesIO()
        Image.fromarray(pixels).save(file, "jpeg", quality=90)
        images.append(ToyImage(file.getvalue(), tuple(boxes), tuple(classes)))
    return images


def write_shard(path: Path, images: list[ToyImage]) -> Path:
    """A TFRecord shard with the features that the dataset package writes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        for image in images:
            x, y, width, height = np.array(image.boxes, float).reshape(-1, 4).T
            names = [list(COLOURS)[class_id - 1].encode() for class_id in image.classes]
            features = {
                "image/encoded": [image.encoded],
                "image/format": [b"jpeg"],
                "image/filename": [f"{image.sha256[:8]}.jpg".encode()],
                "image/key/sha256": [image.sha256.encode()],
                "image/width": Ints([WIDTH]),
                "image/height": Ints([HEIGHT]),
                "image/object/bbox/xmin": Floats(x / WIDTH),
                "image/object/bbox/xmax": Floats((x + width) / WIDTH),
                "image/object/bbox/ymin": Floats(y / HEIGHT),
                "image/object/bbox/ymax": Floats((y + height) / HEIGHT),
                "image/object/class/label": Ints(image.classes),
                "image/object/class/text": names,
            }
            file.writelines(frame(encode_example(features)))
    return path


def write_coco(path: Path, images: list[ToyImage]) -> Path:
    coco: dict = {
        "images": [
            {"id": i, "file_name": f"{image.sha256[:8]}.jpg", "width": WIDTH, "height": HEIGHT, "sha256": image.sha256}
            for i, image in enumerate(images, start=1)
        ],
        "categories": [{"id": i, "name": name} for i, name in enumerate(COLOURS, start=1)],
        "annotations": [],
    }
    for i, image in enumerate(images, start=1):
        for box, class_id in zip(image.boxes, image.classes, strict=True):
            coco["annotations"].append(
                {
                    "id": len(coco["annotations"]) + 1,
                    "image_id": i,
                    "category_id": class_id,
                    "bbox": list(box),
                    "area": box[2] * box[3],
                    "iscrowd": 0,
                }
            )
    path.write_text(json.dumps(coco))
    return path


def write_label_map(path: Path) -> Path:
    items = [f'item {{\n  id: {i}\n  name: "{name}"\n}}\n' for i, name in enumerate(COLOURS, start=1)]
    path.write_text("".join(items))
    return path
