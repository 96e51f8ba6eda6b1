"""Detections that a service made of the hold-out, where the model itself cannot be run here: as a file of the store.

JSON: by the SHA-256 of an image's bytes, its detections, best first, each as class id of the label map, score, and
xmin, ymin, xmax, ymax as fractions of the image.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from include.scoring.detections import Detections
from include.scoring.picture import Picture

FILE_NAME = "detections.json"
MOST = 100  # of one image, as many as our own exports give, and as COCO looks at


class AnsweredPredictor:
    """Stands for a model that has answered already."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._answers: dict[str, list[list[float]]] = json.loads(file.read_bytes())

    def __call__(self, picture: Picture) -> Detections:
        name = hashlib.sha256(picture.encoded).hexdigest()
        if name not in self._answers:
            raise ValueError(
                f"{self._file} has no answer for the hold-out image with sha256 {name}, so it was made of another "
                "dataset. Delete it from the store and clear the task export."
            )
        return decoded(self._answers[name])


def encoded(answers: Mapping[str, Detections]) -> bytes:
    """The file's contents; of each image the best ``MOST``."""
    rows = {name: _rows(found) for name, found in sorted(answers.items())}
    return json.dumps(rows, separators=(",", ":")).encode()


def decoded(rows: list[list[float]]) -> Detections:
    classes, scores, xmin, ymin, xmax, ymax = np.array(rows, np.float64).reshape(-1, 6).T
    boxes = np.stack([ymin, xmin, ymax, xmax], axis=1)
    return Detections.from_outputs(boxes, classes, scores, len(rows), first_class=1)


def _rows(found: Detections) -> list[list[float]]:
    boxes = found.boxes[:MOST, [1, 0, 3, 2]].tolist()
    classes, scores = found.classes[:MOST].tolist(), found.scores[:MOST].tolist()
    return [[class_id, score, *box] for class_id, score, box in zip(classes, scores, boxes, strict=True)]
