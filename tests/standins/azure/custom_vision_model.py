"""A trained iteration that answers: our TFLite export on LiteRT, so that the server needs no TensorFlow."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from include.scoring.predict import Picture, TFLitePredictor

FILE = "detector_fp32.tflite"


class Found(NamedTuple):
    """One detection; the box as shares of the image."""

    probability: float
    tag: int  # its number in the iteration's list
    left: float
    top: float
    width: float
    height: float


class PlainPicture(Picture):
    """An image whose size changes as in training: bilinear, without smoothing first."""

    def resized(self, size: int) -> NDArray[np.float32]:
        with Image.open(io.BytesIO(self.encoded)) as opened:
            image = opened.convert("RGB")
        to_source = (image.width / size, 0, 0, 0, image.height / size, 0)
        pixels = image.transform((size, size), Image.Transform.AFFINE, to_source, Image.Resampling.BILINEAR)
        return np.asarray(pixels, np.float32)


class Model:
    """One iteration's detector; many threads may ask it.

    Args:
        folder: of the iteration.
    """

    def __init__(self, folder: Path) -> None:
        self.tags: list[dict[str, Any]] = json.loads((folder / "plan.json").read_text())["tags"]
        self._detect, self._lock = TFLitePredictor(folder / "model" / FILE), threading.Lock()

    def __call__(self, encoded: bytes) -> list[Found]:
        """All that is found in an image, the most probable first."""
        picture = PlainPicture(encoded)
        with self._lock:
            detections = self._detect(picture)
        return list(_found(detections.boxes, detections.classes, detections.scores))

    def predictions(self, encoded: bytes) -> list[dict[str, Any]]:
        """The same as the API shows it."""
        return [
            {
                "probability": each.probability,
                "tagId": self.tags[each.tag]["id"],
                "tagName": self.tags[each.tag]["name"],
                "tagType": "Regular",
                "boundingBox": dict(zip(("left", "top", "width", "height"), each[2:], strict=True)),
            }
            for each in self(encoded)
        ]


@lru_cache(maxsize=8)
def load(folder: Path) -> Model:
    return Model(folder)


def _found(boxes: NDArray, classes: NDArray, scores: NDArray) -> Iterator[Found]:
    for box, class_id, score in zip(boxes.tolist(), classes.tolist(), scores.tolist(), strict=True):
        ymin, xmin, ymax, xmax = box
        yield Found(score, class_id - 1, xmin, ymin, xmax - xmin, ymax - ymin)


def held_out(samples: Sequence[dict[str, Any]], tags: int) -> set[str]:
    """The images of a training that it is measured on: every fifth in the order of their hashes, and of each tag one.

    Which the service takes is not known; it makes its own split.
    """
    ordered = sorted(samples, key=lambda sample: sample["sha256"])
    chosen = {sample["image"] for sample in ordered[::5]}
    for tag in range(tags):
        having = [sample["image"] for sample in ordered if any(box[0] == tag for box in sample["boxes"])]
        if not chosen.intersection(having):
            chosen.add(having[0])
    return chosen
