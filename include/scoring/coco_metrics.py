"""COCO's figures for a set of detections, by pycocotools: the score of record.

Definitions: https://cocodataset.org/#detection-eval
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from include.documents import Metrics
from include.scoring.detections import Detections

RECALLS = tuple(round(0.01 * i, 2) for i in range(101))
"""The recalls at which COCO reads precision."""

# Axes of pycocotools' precision array: IoU threshold, recall, class, area range, detections per image.
IOU_50 = 0
ALL_AREAS = 0
AT_MOST_100 = 2


@dataclass(frozen=True)
class Score:
    """How well detections agree with the truth.

    Attributes:
        metrics: COCO's twelve figures, and AP and AP50 per class.
        precision: per class that has truth, the precision at each of ``RECALLS``, at IoU 0.50.
    """

    metrics: Metrics
    precision: dict[str, tuple[float, ...]]


def coco_score(truth: Mapping[str, Any], detections: Mapping[int, Detections]) -> Score:
    """Score detections against a COCO dataset.

    Args:
        truth: a COCO JSON: ``images``, ``annotations``, ``categories``. Ids start at 1: pycocotools takes an
            annotation with id 0 for unmatched.
        detections: by image id. An image that is not named has none.

    Raises:
        ValueError: there is no box to be found, an annotation has an id below 1, or detections name an image or a
            class that ``truth`` does not have.
    """
    from pycocotools.cocoeval import COCOeval

    _check(truth, detections)
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        evaluation = COCOeval(_indexed(truth), _indexed(_results(truth, detections)), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()

    precision = evaluation.eval["precision"][:, :, :, ALL_AREAS, AT_MOST_100]
    names = {category["id"]: category["name"] for category in truth["categories"]}
    per_class = {names[id_]: precision[:, :, k] for k, id_ in enumerate(evaluation.params.catIds)}
    figures = [_figure(value) for value in evaluation.stats]
    return Score(
        metrics=Metrics.model_validate(
            {
                **dict(zip(_TWELVE, figures, strict=True)),
                "per_class": {name: _mean(values) for name, values in per_class.items()},
                "per_class50": {name: _mean(values[IOU_50]) for name, values in per_class.items()},
            }
        ),
        precision={
            name: tuple(values[IOU_50].tolist()) for name, values in per_class.items() if _mean(values) is not None
        },
    )


_TWELVE = (
    *("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)


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


def _results(truth: Mapping[str, Any], detections: Mapping[int, Detections]) -> dict[str, Any]:
    """The detections in COCO's results format (not by ``COCO.loadRes``: it fails on an empty list)."""
    annotations: list[dict[str, Any]] = []
    for image in truth["images"]:
        if (found := detections.get(image["id"])) is None:
            continue
        bboxes = found.xywh(image["width"], image["height"]).tolist()
        for bbox, class_id, score in zip(bboxes, found.classes.tolist(), found.scores.tolist(), strict=True):
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image["id"],
                    "category_id": class_id,
                    "bbox": bbox,
                    "area": bbox[2] * bbox[3],
                    "iscrowd": 0,
                    "score": score,
                }
            )
    return {"images": truth["images"], "categories": truth["categories"], "annotations": annotations}


def _indexed(dataset: Mapping[str, Any]) -> Any:
    from pycocotools.coco import COCO

    coco = COCO()
    coco.dataset = dict(dataset)
    coco.createIndex()
    return coco


def _figure(value: float) -> float | None:
    """COCO's -1 means "no such box in the truth"."""
    return None if value < 0 else float(value)


def _mean(precision: NDArray[np.float64]) -> float | None:
    return None if (precision < 0).all() else float(precision.mean())
