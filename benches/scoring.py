"""COCO's twelve figures of a big hold-out, per CPU second: ``coco_score`` against pycocotools.

5,000 images, 80 classes, about 37 detections in each image. Ours is the whole of ``coco_score``: it checks ids, turns
each image's detections from shares of its sides into pixels, and, on so many, asks hotcoco. pycocotools is given
finished rows in pixels. All twelve figures must be equal to the last bit.
"""

from __future__ import annotations

import contextlib
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benches.measure import Asked, Goal, Row, main, side_by_side
from include.scoring.coco_metrics import TWELVE, coco_score
from include.scoring.detections import Detections

IMAGES, CLASSES = 5000, 80
WIDTH, HEIGHT = 640, 480
REPETITIONS = 3


def bench(asked: Asked) -> list[Row]:
    truth, detections = make_set(IMAGES, CLASSES)
    rows = as_rows(detections)
    figures: dict[str, list[float]] = {}

    def lanner() -> None:
        figures["ours"] = score_with_lanner(truth, detections)

    def plain() -> None:
        figures["theirs"] = score_with_pycocotools(truth, rows)

    ours, theirs = side_by_side(lanner, plain, repetitions=REPETITIONS, warm=False)
    if figures["ours"] != figures["theirs"]:
        raise AssertionError(f"The figures differ: {figures}")
    return [
        Row(
            work=f"scoring {IMAGES:,} images",
            against="pycocotools",
            on=f"{len(truth['annotations']):,} boxes, {len(rows):,} detections, {CLASSES} classes: all figures equal",
            ours=f"{ours.median:.2f} CPU s",
            theirs=f"{theirs.median:.1f} CPU s",
            ratio=theirs.times(ours),
            goal=Goal("≥", 20),
        )
    ]


def score_with_lanner(truth: dict[str, Any], detections: dict[int, Detections], **limit: int) -> list[float]:
    metrics = coco_score(truth, detections, **limit).metrics
    return [-1.0 if (value := getattr(metrics, name)) is None else value for name in TWELVE]


def score_with_pycocotools(truth: dict[str, Any], rows: NDArray[np.float64]) -> list[float]:
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = truth
        coco.createIndex()
        evaluation = COCOeval(coco, coco.loadRes(rows), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats.tolist()


def make_set(images: int, classes: int, seed: int = 0) -> tuple[dict[str, Any], dict[int, Detections]]:
    """A truth, some of it crowds, and what a middling detector finds: moved boxes, wrong classes, false alarms."""
    rng = np.random.default_rng(seed)
    annotations: list[dict[str, Any]] = []
    detections = {}
    for image in range(1, images + 1):
        truth = _boxes(rng, int(rng.integers(1, 15)))
        labels = rng.integers(1, classes + 1, len(truth))
        for label, box in zip(labels.tolist(), truth.tolist(), strict=True):
            x, y, width, height = box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": label,
                    "bbox": box,
                    "area": width * height,
                    "iscrowd": int(rng.random() < 0.01),
                }
            )
        seen = rng.random(len(truth)) < 0.8
        moved = truth[seen] + rng.normal(0, 0.08, (seen.sum(), 4)) * truth[seen][:, [2, 3, 2, 3]]
        mistaken = np.where(rng.random(seen.sum()) < 0.9, labels[seen], rng.integers(1, classes + 1, seen.sum()))
        x, y, width, height = np.concatenate([moved, _boxes(rng, 30)]).T
        corners = np.stack([y / HEIGHT, x / WIDTH, (y + height) / HEIGHT, (x + width) / WIDTH], 1)
        detections[image] = Detections(
            boxes=corners.clip(0, 1).astype(np.float32),
            classes=np.concatenate([mistaken, rng.integers(1, classes + 1, 30)]),
            scores=np.concatenate([rng.random(seen.sum()), rng.random(30) * 0.7]).astype(np.float32),
        )
    return {
        "images": [{"id": image, "width": WIDTH, "height": HEIGHT} for image in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": number, "name": f"class {number}"} for number in range(1, classes + 1)],
        "info": {},
    }, detections


def as_rows(detections: dict[int, Detections]) -> NDArray[np.float64]:
    """(N, 7) image id, x, y, width, height, score, class id: what pycocotools' ``loadRes`` takes."""
    return np.concatenate(
        [
            np.column_stack([np.full(len(found), image), found.xywh(WIDTH, HEIGHT), found.scores, found.classes])
            for image, found in detections.items()
        ]
    )


def _boxes(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    """(count, 4) x, y, width, height inside the image."""
    sides = rng.uniform(8, 300, (count, 2))
    return np.concatenate([rng.uniform(0, 1, (count, 2)) * ((WIDTH, HEIGHT) - sides), sides], 1)


if __name__ == "__main__":
    main(__doc__, bench)
