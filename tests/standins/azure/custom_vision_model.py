"""A trained iteration that answers: its TFLite file on LiteRT, so that the server needs no TensorFlow."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FILE = "model.tflite"


class Found(NamedTuple):
    """One detection; the box as shares of the image."""

    probability: float
    tag: int  # its number in the iteration's list
    left: float
    top: float
    width: float
    height: float


def shown(found: Found, tags: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """A detection as the API shows it."""
    return {
        "probability": found.probability,
        "tagId": tags[found.tag]["id"],
        "tagName": tags[found.tag]["name"],
        "tagType": "Regular",
        "boundingBox": dict(zip(("left", "top", "width", "height"), found[2:], strict=True)),
    }


class Model:
    """One iteration's detector; many threads may ask it.

    Args:
        folder: of the iteration.
    """

    def __init__(self, folder: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self.tags: list[dict[str, Any]] = json.loads((folder / "plan.json").read_text())["tags"]
        interpreter = Interpreter(model_path=str(folder / "model" / FILE), num_threads=1)
        self._detect, self._lock = interpreter.get_signature_runner("serving_default"), threading.Lock()
        self._size = int(interpreter.get_input_details()[0]["shape"][1])

    def __call__(self, encoded: bytes) -> list[Found]:
        """All that is found in an image, the most probable first."""
        with self._lock:
            outputs = self._detect(image_tensor=resized(encoded, self._size)[None])
        boxes, classes, scores = (outputs[f"detected_{what}"].tolist() for what in ("boxes", "classes", "scores"))
        return [
            Found(score, tag, left, top, right - left, bottom - top)
            for (left, top, right, bottom), tag, score in zip(boxes, classes, scores, strict=True)
            if score > 0 and right > left and bottom > top
        ]

    def predictions(self, encoded: bytes) -> list[dict[str, Any]]:
        """The same as the API shows it."""
        return [shown(each, self.tags) for each in self(encoded)]


@lru_cache(maxsize=8)
def load(folder: Path) -> Model:
    return Model(folder)


def resized(encoded: bytes, size: int) -> NDArray[np.float32]:
    """(size, size, 3) RGB in 0..255, resized as in training: bilinear, without smoothing first."""
    with Image.open(io.BytesIO(encoded)) as opened:
        image = opened.convert("RGB")
    to_source = (image.width / size, 0, 0, 0, image.height / size, 0)
    pixels = image.transform((size, size), Image.Transform.AFFINE, to_source, Image.Resampling.BILINEAR)
    return np.asarray(pixels, np.float32)


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
