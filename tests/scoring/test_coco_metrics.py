from __future__ import annotations

import numpy as np
import pytest

from include.scoring.coco_metrics import RECALLS, coco_score
from include.scoring.detections import Detections
from include.scoring.engines import by_hotcoco

WIDTH, HEIGHT = 200, 100


def truth(*boxes: tuple[int, int, tuple[float, float, float, float]], first_id: int = 1) -> dict:
    """COCO JSON of three images and three classes from (image id, class id, xywh)."""
    return {
        "images": [{"id": i, "width": WIDTH, "height": HEIGHT} for i in (1, 2, 3)],
        "categories": [{"id": i, "name": name} for i, name in ((1, "cat"), (2, "dog"), (3, "eel"))],
        "annotations": [
            {
                "id": first_id + n,
                "image_id": image,
                "category_id": class_id,
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for n, (image, class_id, box) in enumerate(boxes)
        ],
    }


def found(*boxes: tuple[int, tuple[float, float, float, float], float]) -> Detections:
    """Detections from (class id, xywh in pixels, score)."""
    return Detections(
        boxes=np.array(
            [(y / HEIGHT, x / WIDTH, (y + h) / HEIGHT, (x + w) / WIDTH) for _, (x, y, w, h), _ in boxes], np.float32
        ),
        classes=np.array([class_id for class_id, _, _ in boxes], np.int64),
        scores=np.array([score for _, _, score in boxes], np.float32),
    )


BOX = (20.0, 10.0, 60.0, 40.0)
SHIFTED = (30.0, 10.0, 60.0, 40.0)  # IoU with BOX: 50 / 70 = 0.714, so right at thresholds 0.50 ... 0.70: five of ten


def test_perfect_detections_score_one_and_a_class_without_truth_is_none():
    score = coco_score(truth((1, 1, BOX), (2, 2, BOX)), {1: found((1, BOX, 0.9)), 2: found((2, BOX, 0.8))})
    assert score.metrics.mAP == pytest.approx(1.0)
    assert score.metrics.per_class == {"cat": pytest.approx(1.0), "dog": pytest.approx(1.0), "eel": None}
    assert score.metrics.mAP_small is None, "COCO's -1: no small box in the truth"
    assert score.precision.keys() == {"cat", "dog"}
    assert len(score.precision["cat"]) == len(RECALLS)


def test_a_shifted_box_counts_at_the_thresholds_that_its_iou_reaches():
    metrics = coco_score(truth((1, 1, BOX)), {1: found((1, SHIFTED, 0.9))}).metrics
    assert metrics.mAP50 == pytest.approx(1.0)
    assert metrics.mAP75 == 0.0
    assert metrics.mAP == pytest.approx(0.5)


def test_coordinates_are_those_of_the_image_not_transposed():
    tall = (10.0, 5.0, 20.0, 90.0)
    assert coco_score(truth((1, 1, tall)), {1: found((1, tall, 0.9))}).metrics.mAP == pytest.approx(1.0)


def test_a_more_confident_false_positive_halves_the_precision():
    detections = {1: found((1, BOX, 0.5)), 2: found((1, BOX, 0.9))}
    assert coco_score(truth((1, 1, BOX)), detections).metrics.mAP50 == pytest.approx(0.5)


def test_a_detection_of_another_class_is_no_match():
    metrics = coco_score(truth((1, 1, BOX), (2, 2, BOX)), {1: found((2, BOX, 0.9)), 2: found((2, BOX, 0.8))}).metrics
    assert metrics.per_class50 == {"cat": 0.0, "dog": pytest.approx(0.5), "eel": None}


@pytest.mark.parametrize("detections", [{}, {1: found((1, BOX, 0.9)).above(1.0)}], ids=["no image named", "none kept"])
def test_nothing_found_scores_zero(detections):
    score = coco_score(truth((1, 1, BOX)), detections)
    assert (score.metrics.mAP, score.metrics.AR_100) == (0.0, 0.0)


def test_an_annotation_with_id_0_is_refused_because_pycocotools_would_not_match_it():
    with pytest.raises(ValueError, match="ids start at 1"):
        coco_score(truth((1, 1, BOX), first_id=0), {1: found((1, BOX, 0.9))})


def test_truth_without_boxes_cannot_be_scored_against():
    with pytest.raises(ValueError, match="no box"):
        coco_score(truth(), {})


def test_detections_of_an_unknown_class_or_image_are_refused():
    with pytest.raises(ValueError, match="class id 7"):
        coco_score(truth((1, 1, BOX)), {1: found((7, BOX, 0.9))})
    with pytest.raises(ValueError, match="image id 9"):
        coco_score(truth((1, 1, BOX)), {9: found((1, BOX, 0.9))})


def test_small_sets_are_scored_by_pycocotools_and_big_ones_by_hotcoco_alone(monkeypatch):
    case = truth((1, 1, BOX), (2, 2, BOX)), {1: found((1, SHIFTED, 0.9)), 3: found((2, BOX, 0.8))}
    small = coco_score(*case)
    monkeypatch.setattr("include.scoring.coco_metrics.by_pycocotools", None)
    big = coco_score(*case, refereed_up_to=3)
    assert (small.metrics.engine, big.metrics.engine) == ("pycocotools", "hotcoco")
    assert big.precision == small.precision
    assert big.metrics.model_copy(update={"engine": "pycocotools"}) == small.metrics


def test_where_the_engines_disagree_pycocotools_is_believed_and_the_result_says_so(monkeypatch, caplog):
    case = truth((1, 1, BOX)), {1: found((1, BOX, 0.9))}
    right = by_hotcoco(case[0], np.empty((0, 7)))
    monkeypatch.setattr("include.scoring.coco_metrics.by_hotcoco", lambda *_: right)  # as if it had found nothing
    metrics = coco_score(*case).metrics
    assert (metrics.mAP, metrics.engine) == (pytest.approx(1.0), "pycocotools")
    assert "mAP 1.000000 and 0.000000" in metrics.warning
    assert metrics.warning in caplog.text
