"""hotcoco says what pycocotools says, to the last bit: on random sets and on what evaluators trip over."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from include.scoring.engines import by_hotcoco, by_pycocotools

WIDTH, HEIGHT = 640, 480
BOX = (20.0, 10.0, 60.0, 40.0)


def truth(boxes: list[tuple], *, images: tuple[int, ...] = (1, 2, 3), classes: tuple[int, ...] = (1, 2)) -> dict:
    """COCO JSON from (image id, class id, xywh, crowd)."""
    return {
        "images": [{"id": id_, "width": WIDTH, "height": HEIGHT} for id_ in images],
        "categories": [{"id": id_, "name": f"class {id_}"} for id_ in classes],
        "annotations": [
            {
                "id": number,
                "image_id": image,
                "category_id": class_id,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": int(crowd),
            }
            for number, (image, class_id, box, crowd) in enumerate(boxes, start=1)
        ],
    }


def found(*rows: tuple) -> NDArray[np.float64]:
    """Detections from (image id, xywh, score, class id)."""
    return np.array([(image, *box, score, class_id) for image, box, score, class_id in rows]).reshape(-1, 7)


def random_set(seed: int) -> tuple[dict, NDArray[np.float64]]:
    """Crowds, images without truth or without detections, scores that tie, boxes on the borders of COCO's sizes."""
    rng = np.random.default_rng(seed)
    images, classes = tuple(rng.permutation(40) + 1), tuple(rng.permutation(9)[:4] + 1)
    sides = np.array([8.0, 32.0, 33.5, 96.0, 96.5, 200.0])  # areas of 32² and 96² divide small, medium, large
    boxes, rows = [], []
    for image in images:
        for _ in range(rng.integers(0, 7)):
            width, height = rng.choice(sides, 2)
            box = np.array([rng.uniform(0, WIDTH - width), rng.uniform(0, HEIGHT - height), width, height])
            class_id = rng.choice(classes[:3])  # the fourth has no truth
            boxes.append((int(image), int(class_id), tuple(box.tolist()), rng.random() < 0.1))
            for _ in range(rng.integers(0, 4)):
                moved = np.maximum(box + rng.normal(0, 0.1, 4) * width, 1.0)
                rows.append((image, moved, rng.integers(0, 8) / 8, rng.choice(classes)))
    return truth(boxes, images=images, classes=classes), found(*rows)


SETS = {
    "no detections": (truth([(1, 1, BOX, False)]), found()),
    "perfect": (truth([(1, 1, BOX, False), (2, 2, BOX, False)]), found((1, BOX, 0.9, 1), (2, BOX, 0.8, 2))),
    "only another class": (truth([(1, 1, BOX, False)]), found((1, BOX, 0.9, 2))),
    "only images without truth": (truth([(1, 1, BOX, False)]), found((2, BOX, 0.9, 1), (3, BOX, 0.9, 1))),
    "the truth is all crowds": (truth([(1, 1, BOX, True)]), found((1, BOX, 0.9, 1))),
    "a crowd takes several": (
        truth([(1, 1, (0.0, 0.0, 300.0, 300.0), True), (1, 1, BOX, False)]),
        found((1, BOX, 0.9, 1), (1, (100.0, 100.0, 50.0, 50.0), 0.8, 1), (1, (200.0, 200.0, 50.0, 50.0), 0.7, 1)),
    ),
    "all scores tie": (truth([(1, 1, BOX, False)]), found(*[(image, BOX, 0.5, 1) for image in (3, 1, 2, 1, 1)])),
    "more than 100 in an image": (
        truth([(1, 1, BOX, False)]),
        found(*[(1, (n, 0.0, 50.0, 50.0), 1 - n / 400, 1) for n in range(250)], (1, BOX, 0.01, 1)),
    ),
    "two truths for one detection": (
        truth([(1, 1, BOX, False), (1, 1, BOX, False)]),
        found((1, BOX, 0.9, 1), (1, BOX, 0.9, 1), (1, BOX, 0.9, 1)),
    ),
    "ids with gaps, in no order": (
        truth([(900, 70, BOX, False), (5, 3, BOX, False)], images=(900, 5, 44), classes=(70, 3)),
        found((44, BOX, 0.9, 3), (5, BOX, 0.5, 3), (900, BOX, 0.7, 70)),
    ),
    "boxes without area": (truth([(1, 1, (5.0, 5.0, 0.0, 0.0), False)]), found((1, (5.0, 5.0, 0.0, 0.0), 0.9, 1))),
    "an IoU that is just the threshold": (
        truth([(1, 1, (0.0, 0.0, 10.0, 10.0), False)]),
        found((1, (0.0, 0.0, 10.0, 5.0), 0.9, 1), (1, (0.0, 0.0, 10.0, 7.5), 0.8, 1)),
    ),
    "scores of zero": (truth([(1, 1, BOX, False)]), found((1, BOX, 0.0, 1), (2, BOX, 0.0, 1))),
}


@pytest.mark.parametrize("case", SETS.values(), ids=SETS.keys())
def test_the_engines_agree_on_what_evaluators_trip_over(case: tuple[dict, NDArray[np.float64]]) -> None:
    record, other = by_pycocotools(*case), by_hotcoco(*case)
    assert other.twelve.tolist() == record.twelve.tolist()
    assert other.same_as(record)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_the_engines_agree_on_random_sets(seed: int) -> None:
    case = random_set(seed)
    assert by_hotcoco(*case).same_as(by_pycocotools(*case))
