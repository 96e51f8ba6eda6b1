"""What a detector got wrong in one image, so that a person can look at the worst of it.

Truth and detections are paired as COCO does at IoU 0.50: the most confident detection chooses first, each box of the
truth is taken once, classes must agree.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from include.scoring.detections import Detections
from include.scoring.holdout import HoldOut, HoldOutImage

CONFIDENT = 0.5  # a detection below this score is not shown as the model's opinion
SAME_BOX = 0.5  # IoU


@dataclass(frozen=True, eq=False)
class Verdict:
    """Truth and confident detections of one image, and which of them found no partner.

    Attributes:
        missed: (boxes of the truth,) bool: no confident detection of that class there (false negative).
        false: (confident detections,) bool: no box of that class there (false positive).
        detections: the confident ones.
    """

    image: HoldOutImage
    detections: Detections
    missed: NDArray[np.bool_]
    false: NDArray[np.bool_]

    @property
    def badness(self) -> float:
        """Boxes missed, plus the confidence put into false ones: a sure mistake weighs as much as an oversight."""
        return float(self.missed.sum() + self.detections.scores[self.false].sum())

    @property
    def summary(self) -> str:
        """In words: "1 of 3 missed, 2 false"."""
        parts = []
        if self.missed.any():
            parts.append(f"{self.missed.sum()} of {len(self.missed)} missed")
        if self.false.any():
            parts.append(f"{self.false.sum()} false")
        return ", ".join(parts) or f"all {len(self.missed)} found"


def judge(
    image: HoldOutImage, detections: Detections, threshold: float = CONFIDENT, same_box: float = SAME_BOX
) -> Verdict:
    """Pair an image's truth with the detections of at least ``threshold`` that overlap it by ``same_box`` or more."""
    confident = detections.above(threshold)
    overlap = iou(image.boxes, confident.xywh(image.width, image.height))
    overlap[image.classes[:, None] != confident.classes[None, :]] = 0.0
    missed = np.ones(len(image.boxes), bool)
    false = np.ones(len(confident), bool)
    for column in range(len(confident)):  # best first
        free = np.where(missed, overlap[:, column], 0.0)
        if len(free) and free.max() >= same_box:
            missed[free.argmax()] = False
            false[column] = False
    return Verdict(image, confident, missed, false)


def most_telling(
    holdout: HoldOut, detections: Mapping[int, Detections], *, worst: int = 8, typical: int = 8
) -> tuple[list[Verdict], list[Verdict]]:
    """The images with the worst mistakes, worst first, and others spread evenly over the rest of the hold-out.

    Images without a mistake are never among the worst. The hold-out is read twice, so that not all images are held.
    """
    badness = {image.id: judge(image, detections[image.id]).badness for image in holdout}
    worst_ids = [id_ for id_ in sorted(badness, key=lambda id_: (-badness[id_], id_)) if badness[id_] > 0][:worst]
    rest = [id_ for id_ in badness if id_ not in worst_ids]
    typical_ids = [rest[i] for i in np.linspace(0, len(rest) - 1, min(typical, len(rest))).round().astype(int)]
    chosen = {*worst_ids, *typical_ids}
    verdicts = {image.id: judge(image, detections[image.id]) for image in holdout if image.id in chosen}
    return [verdicts[id_] for id_ in worst_ids], [verdicts[id_] for id_ in typical_ids]


def iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of every box in ``a`` (N, 4) with every box in ``b`` (M, 4), both x, y, width, height."""
    top_left = np.maximum(a[:, None, :2], b[None, :, :2])
    bottom_right = np.minimum(a[:, None, :2] + a[:, None, 2:], b[None, :, :2] + b[None, :, 2:])
    intersection = np.clip(bottom_right - top_left, 0.0, None).prod(axis=2)
    union = a[:, 2:].prod(axis=1)[:, None] + b[:, 2:].prod(axis=1)[None, :] - intersection
    return np.divide(intersection, union, out=np.zeros_like(union), where=union > 0)
