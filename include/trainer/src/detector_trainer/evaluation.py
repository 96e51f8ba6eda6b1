"""How good a detector is on the validation images: COCO's mAP, by pycocotools."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from detector_trainer.detection import Detections, detect
from detector_trainer.model import Detector
from detector_trainer.records import AT_ONCE, Annotation, parse_example, read_records, untuned

BATCH = 16  # images
CACHE_BYTES = 1 << 30  # of decoded images; validation sets that need more are decoded at every evaluation


# COCO's twelve, in pycocotools' order: https://cocodataset.org/#detection-eval
FIGURES = (
    *("mAP", "mAP50", "mAP75", "mAP_small", "mAP_medium", "mAP_large"),
    *("AR_1", "AR_10", "AR_100", "AR_small", "AR_medium", "AR_large"),
)


class Score(NamedTuple):
    """https://cocodataset.org/#detection-eval"""

    mAP: float  # averaged over IoU thresholds 0.50, 0.55 … 0.95
    mAP50: float  # at IoU 0.50


class Evaluator:
    """Evaluates one detector, whose weights may change between calls, on images that stay the same."""

    def __init__(self, detector: Detector, shards: Sequence[Path], annotations: Sequence[Annotation]) -> None:
        size = detector.configuration.input_size
        records = read_records(tf.data.Dataset.from_tensor_slices([str(shard) for shard in shards]))
        images = records.map(lambda record: parse_example(record, size).image, num_parallel_calls=AT_ONCE)
        if len(annotations) * size**2 * 3 * 4 <= CACHE_BYTES:
            images = images.cache()
        self._batches = untuned(images.batch(BATCH).prefetch(1))
        self._annotations = annotations
        self._truth = ground_truth(annotations, detector.label_map)
        self._detect = tf.function(
            lambda images: detect(detector, images), input_signature=[tf.TensorSpec((None, size, size, 3))]
        )

    def __call__(self) -> Score:
        return coco_score(self._truth, self._detections())

    def figures(self) -> dict[str, float | None]:
        """All of ``FIGURES``; None where there is no object of that size."""
        return coco_figures(self._truth, self._detections())

    def _detections(self) -> np.ndarray:
        """(n, 7) as ``coco_score`` takes them."""
        rows = []
        number = 0
        for batch in self._batches:
            found = [tensor.numpy() for tensor in self._detect(batch)]
            for boxes, classes, scores, count in zip(*found, strict=True):
                number += 1
                ymin, xmin, ymax, xmax = (boxes[:count] * _sides(self._annotations[number - 1])).T
                ids = np.full(count, number)
                rows.append(np.stack([ids, xmin, ymin, xmax - xmin, ymax - ymin, scores[:count], classes[:count]], -1))
        return np.concatenate(rows)

    def standard_error(self, mAP: float) -> float:
        """How far off an mAP may be by the choice of the validation images: as a share of so many boxes."""
        boxes = sum(len(annotation.labels) for annotation in self._annotations)
        return (mAP * (1 - mAP) / boxes) ** 0.5

    @property
    def graph(self) -> tf.Graph:
        """Of the network and what turns its outputs into detections."""
        return self._detect.get_concrete_function().graph

    def examples(self, count: int = 4) -> tuple[tf.Tensor, Detections]:
        """The first images, (count, S, S, 3) float32 in 0..255, and what is found in them."""
        images = next(iter(self._batches))[:count]
        return images, Detections(*self._detect(images))


def ground_truth(annotations: Sequence[Annotation], label_map: dict[int, str]) -> COCO:
    """Annotations as a COCO set in pixels. All ids start at 1: pycocotools takes annotation id 0 for "unmatched"."""
    images: list[dict[str, Any]] = []
    objects: list[dict[str, Any]] = []
    for number, annotation in enumerate(annotations, start=1):
        images.append({"id": number, "height": annotation.height, "width": annotation.width})
        for box, label in zip(annotation.boxes * _sides(annotation), annotation.labels, strict=True):
            ymin, xmin, ymax, xmax = (float(edge) for edge in box)
            width, height = xmax - xmin, ymax - ymin
            objects.append(
                {
                    "id": len(objects) + 1,
                    "image_id": number,
                    "category_id": int(label),
                    "bbox": [xmin, ymin, width, height],
                    "area": width * height,
                    "iscrowd": 0,
                }
            )
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": images,
        "annotations": objects,
        "categories": [{"id": number, "name": name} for number, name in label_map.items()],
    }
    with _quiet():
        truth.createIndex()
    return truth


def coco_score(truth: COCO, detections: np.ndarray) -> Score:
    """Score of (n, 7) detections: image id, xmin, ymin, width, height, score, class id; 0 if there are none."""
    figures = coco_figures(truth, detections)
    return Score(figures["mAP"] or 0.0, figures["mAP50"] or 0.0)


def coco_figures(truth: COCO, detections: np.ndarray) -> dict[str, float | None]:
    """All of ``FIGURES`` for detections as ``coco_score`` takes them; None where there is no object of that size."""
    with _quiet():
        evaluation = COCOeval(truth, truth.loadRes(detections) if len(detections) else _nothing(truth), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return {name: float(value) if value >= 0 else None for name, value in zip(FIGURES, evaluation.stats, strict=True)}


def _nothing(truth: COCO) -> COCO:
    """No detections; pycocotools' own way of reading them takes no empty list."""
    found = COCO()
    found.dataset = {**truth.dataset, "annotations": []}
    found.createIndex()
    return found


def _sides(annotation: Annotation) -> np.ndarray:
    return np.array([annotation.height, annotation.width] * 2, np.float32)


def _quiet() -> contextlib.AbstractContextManager[object]:
    """pycocotools prints what it does."""
    return contextlib.redirect_stdout(io.StringIO())
