from __future__ import annotations

import numpy as np
import pytest

from include.scoring.detections import Detections
from include.scoring.holdout import HoldOut, HoldOutImage
from include.scoring.misses import iou, judge, most_telling
from tests.toy_collection import make_images, write_coco, write_shard


def image(*boxes: tuple[int, tuple[float, float, float, float]]) -> HoldOutImage:
    return HoldOutImage(
        id=1,
        file_name="a.jpg",
        width=100,
        height=100,
        encoded=b"",
        boxes=np.array([box for _, box in boxes], float).reshape(-1, 4),
        classes=np.array([class_id for class_id, _ in boxes], np.int64),
    )


def found(*boxes: tuple[int, tuple[float, float, float, float], float]) -> Detections:
    corners = [(y / 100, x / 100, (y + h) / 100, (x + w) / 100) for _, (x, y, w, h), _ in boxes]
    return Detections(
        boxes=np.array(corners, np.float32).reshape(-1, 4),
        classes=np.array([class_id for class_id, _, _ in boxes], np.int64),
        scores=np.array([score for _, _, score in boxes], np.float32),
    )


LEFT, RIGHT = (0.0, 0.0, 40.0, 40.0), (50.0, 50.0, 40.0, 40.0)


def test_iou_of_equal_disjoint_overlapping_and_empty_boxes():
    boxes = np.array([LEFT, RIGHT, (20.0, 0.0, 40.0, 40.0), (10.0, 10.0, 0.0, 0.0)])
    assert iou(boxes, boxes)[0] == pytest.approx([1.0, 0.0, 800 / 2400, 0.0])


def test_all_found():
    verdict = judge(image((1, LEFT), (2, RIGHT)), found((1, LEFT, 0.9), (2, RIGHT, 0.6)))
    assert verdict.badness == 0.0
    assert verdict.summary == "all 2 found"


def test_the_wrong_class_is_both_missed_and_false():
    verdict = judge(image((1, LEFT), (2, RIGHT)), found((2, LEFT, 0.9), (2, RIGHT, 0.6)))
    assert verdict.missed.tolist() == [True, False]
    assert verdict.false.tolist() == [True, False]
    assert verdict.badness == pytest.approx(1.9)
    assert verdict.summary == "1 of 2 missed, 1 false"


def test_a_box_is_found_once_the_second_detection_of_it_is_false():
    verdict = judge(image((1, LEFT)), found((1, LEFT, 0.9), (1, LEFT, 0.8)))
    assert verdict.false.tolist() == [False, True]


def test_detections_without_confidence_are_no_opinion():
    verdict = judge(image((1, LEFT)), found((1, LEFT, 0.4), (1, RIGHT, 0.4)))
    assert (len(verdict.detections), verdict.badness) == (0, 1.0)


def test_an_image_without_truth():
    assert judge(image(), found((1, LEFT, 0.7))).badness == pytest.approx(0.7)


def test_the_most_telling_images_are_the_worst_first_and_a_spread_of_the_others(tmp_path):
    images = make_images(10, seed=1)
    holdout = HoldOut([write_shard(tmp_path / "a.tfrecord", images)], write_coco(tmp_path / "coco.json", images))
    nothing = found()
    all_but_two = {
        image.id: nothing if image.id in (3, 4) else perfect(image)  # image 3 has one box, image 4 has two
        for image in holdout
    }
    worst, typical = most_telling(holdout, all_but_two, worst=5, typical=3)
    assert [verdict.image.id for verdict in worst] == [4, 3]
    assert [verdict.image.id for verdict in typical] == [1, 7, 10]


def perfect(image: HoldOutImage) -> Detections:
    x, y, width, height = image.boxes.T
    corners = np.stack(
        [y / image.height, x / image.width, (y + height) / image.height, (x + width) / image.width], axis=1
    )
    return Detections(corners.astype(np.float32), image.classes, np.full(len(image.classes), 0.9, np.float32))
