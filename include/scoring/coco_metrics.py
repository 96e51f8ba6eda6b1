"""COCO's figures for a set of detections. pycocotools is the score of record; big sets are left to hotcoco.

Definitions: https://cocodataset.org/#detection-eval
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.documents import Metrics
from include.scoring.detections import Detections
from include.scoring.engines import Figures, by_hotcoco, by_pycocotools

RECALLS = tuple(round(0.01 * i, 2) for i in range(101))
"""The recalls at which COCO reads precision."""

IOU_50 = 0  # of the IoU thresholds
REFEREED_UP_TO = 100_000
"""Boxes (true and detected), or pairs of image and class, up to which both engines score and pycocotools is believed:
about five CPU seconds and 200 MB of its own. Beyond, hotcoco scores alone."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Score:
    """How well detections agree with the truth.

    Attributes:
        metrics: COCO's twelve figures, AP and AP50 per class, and which engine they are from.
        precision: per class that has truth, the precision at each of ``RECALLS``, at IoU 0.50.
    """

    metrics: Metrics
    precision: dict[str, tuple[float, ...]]


def coco_score(
    truth: Mapping[str, Any], detections: Mapping[int, Detections], *, refereed_up_to: int = REFEREED_UP_TO
) -> Score:
    """Score detections against a COCO dataset.

    Where the engines do not agree to the last bit, pycocotools' figures stand, and ``metrics.warning`` says so.

    Args:
        truth: a COCO JSON: ``images``, ``annotations``, ``categories``. Ids start at 1: pycocotools takes an
            annotation with id 0 for unmatched.
        detections: by image id. An image that is not named has none.

    Raises:
        ValueError: there is no box to be found, an annotation has an id below 1, or detections name an image or a
            class that ``truth`` does not have.
    """
    _check(truth, detections)
    rows = _rows(truth, detections)
    figures, warning = by_hotcoco(truth, rows), ""
    size = max(len(truth["annotations"]) + len(rows), len(truth["images"]) * len(truth["categories"]))
    if refereed := size <= refereed_up_to:
        record = by_pycocotools(truth, rows)
        if not record.same_as(figures):
            warning = _difference(record, figures)
            logger.warning("WARNING: %s", warning)
        figures = record

    names = {category["id"]: category["name"] for category in truth["categories"]}
    per_class = {names[id_]: figures.precision[:, :, k] for k, id_ in enumerate(sorted(names))}
    return Score(
        metrics=Metrics.model_validate(
            {
                **dict(zip(TWELVE, map(_figure, figures.twelve), strict=True)),
                "per_class": {name: _mean(values) for name, values in per_class.items()},
                "per_class50": {name: _mean(values[IOU_50]) for name, values in per_class.items()},
                "engine": "pycocotools" if refereed else "hotcoco",
                "warning": warning,
            }
        ),
        precision={
            name: tuple(values[IOU_50].tolist()) for name, values in per_class.items() if _mean(values) is not None
        },
    )


TWELVE = (
    *("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)
"""The names of COCO's figures, in its order."""


def _check(truth: Mapping[str, Any], detections: Mapping[int, Detections]) -> None:
    if not any(not annotation.get("iscrowd") for annotation in truth["annotations"]):
        raise ValueError(
            "The truth has no box: there is nothing to score against. Does the hold-out have annotated images?"
        )
    if (lowest := min(annotation["id"] for annotation in truth["annotations"])) < 1:
        raise ValueError(
            f"Got an annotation with id {lowest}; ids start at 1, because pycocotools counts 0 as unmatched."
        )
    if unknown := detections.keys() - {image["id"] for image in truth["images"]}:
        raise ValueError(f"Got detections for image id {min(unknown)}, which is not among the truth's images.")
    known = {category["id"] for category in truth["categories"]}
    if unknown := {int(id_) for found in detections.values() for id_ in np.unique(found.classes)} - known:
        raise ValueError(f"Got detections of class id {min(unknown)}; the truth's categories are {sorted(known)}.")


def _rows(truth: Mapping[str, Any], detections: Mapping[int, Detections]) -> NDArray[np.float64]:
    """(N, 7) image id, x, y, width, height, score, class id: 56 bytes for each detection."""
    rows = [np.empty((0, 7))]
    for image in truth["images"]:
        if (found := detections.get(image["id"])) is not None:
            ids = np.full(len(found), image["id"])
            bboxes = found.xywh(image["width"], image["height"])
            rows.append(np.column_stack([ids, bboxes, found.scores, found.classes]))
    return np.concatenate(rows)


def _difference(record: Figures, other: Figures) -> str:
    pairs = zip(TWELVE, record.twelve, other.twelve, strict=True)
    differing = [f"{name} {ours:.6f} and {theirs:.6f}" for name, ours, theirs in pairs if ours != theirs]
    return (
        f"pycocotools and hotcoco disagree: {', '.join(differing) or 'in the precision of a class'}. pycocotools' "
        "figures stand. Please report this to hotcoco with the hold-out's COCO JSON and the detections."
    )


def _figure(value: float) -> float | None:
    """COCO's -1 means "no such box in the truth"."""
    return None if value < 0 else float(value)


def _mean(precision: NDArray[np.float64]) -> float | None:
    return None if (precision < 0).all() else float(precision.mean())
