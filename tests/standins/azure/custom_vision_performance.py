"""How well an iteration does on the images that it held out of its own training, by the service's definitions.

Precision and recall count detections above a probability threshold, and those as right that overlap an object of their
tag by more than an overlap threshold. Average precision goes over all probabilities and is the mean of the precision at
the eleven recalls 0, 0.1 … 1, as in PASCAL VOC 2007; that the service takes eleven points is from the book that this
project follows, not verified. Standard deviations are 0 here: one held-out part, no folds.
https://learn.microsoft.com/azure/ai-services/custom-vision-service/get-started-build-detector#evaluate-the-detector
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

FILE = "performance.json"
RECALLS = tuple(step / 10 for step in range(11))

Box = Sequence[float]  # left, top, width, height as shares of the image


def performance(folder: Path, threshold: float, overlap: float) -> dict[str, Any]:
    """The answer about an iteration: by tag and over all.

    Args:
        folder: of the iteration; ``model/performance.json`` has its tags and, for each held-out image, ``truth``
            ([tag's number, left, top, width, height]) and ``found`` (the same with a probability before).
    """
    known = json.loads((folder / "model" / FILE).read_text())
    per_tag, right, said, there = [], 0, 0, 0
    for number, tag in enumerate(known["tags"]):
        ranked, objects = match(known["images"], number, overlap)
        above = [is_right for probability, is_right in ranked if probability >= threshold]
        right, said, there = right + sum(above), said + len(above), there + objects
        figures = _figures(sum(above), len(above), objects)
        per_tag.append(tag | figures | {"averagePrecision": eleven_point_average(ranked, objects)})
    average = sum(each["averagePrecision"] for each in per_tag) / len(per_tag)
    return _figures(right, said, there) | {"perTagPerformance": per_tag, "averagePrecision": average}


def match(images: Sequence[dict[str, Any]], tag: int, overlap: float) -> tuple[list[tuple[float, bool]], int]:
    """All detections of a tag, the most probable first, each right or wrong; and the number of objects.

    Each object is found once: by the most probable detection that overlaps it enough.
    """
    ranked: list[tuple[float, bool]] = []
    objects = 0
    for image in images:
        left = [box for number, *box in image["truth"] if number == tag]
        objects += len(left)
        found = sorted((each for each in image["found"] if each[1] == tag), reverse=True)
        for probability, _, *box in found:
            best = max(left, key=lambda truth: iou(truth, box), default=None)
            is_right = best is not None and iou(best, box) >= overlap
            if is_right:
                left.remove(best)
            ranked.append((probability, is_right))
    return sorted(ranked, key=lambda each: -each[0]), objects


def eleven_point_average(ranked: Sequence[tuple[float, bool]], objects: int) -> float:
    """Mean of the best precision at eleven recalls and beyond.

    >>> eleven_point_average([(0.9, True), (0.8, False)], objects=1)
    1.0
    """
    if not objects:
        return 0.0
    points, right = [], 0
    for said, (_, is_right) in enumerate(ranked, 1):
        right += is_right
        points.append((right / objects, right / said))
    best = [max((precision for recall, precision in points if recall >= at), default=0.0) for at in RECALLS]
    return sum(best) / len(RECALLS)


def iou(one: Box, other: Box) -> float:
    """Intersection over union of two boxes.

    >>> iou([0, 0, 2, 1], [1, 0, 2, 1])
    0.3333333333333333
    """
    width = min(one[0] + one[2], other[0] + other[2]) - max(one[0], other[0])
    height = min(one[1] + one[3], other[1] + other[3]) - max(one[1], other[1])
    shared = max(width, 0.0) * max(height, 0.0)
    return shared / (one[2] * one[3] + other[2] * other[3] - shared) if shared else 0.0


def _figures(right: int, said: int, there: int) -> dict[str, float]:
    return {
        "precision": right / said if said else 0.0,
        "precisionStdDeviation": 0.0,
        "recall": right / there if there else 0.0,
        "recallStdDeviation": 0.0,
    }
