from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from detector_trainer.anchors import corners
from detector_trainer.configuration import Configuration
from detector_trainer.detection import detect
from detector_trainer.evaluation import coco_score, ground_truth
from detector_trainer.model import Detector
from detector_trainer.records import Annotation

LABELS = {1: "red", 2: "green"}
TRUTH = ground_truth(
    [
        Annotation(np.array([[0.1, 0.2, 0.5, 0.6]], np.float32), np.array([1], np.int32), height=100, width=200),
        Annotation(np.zeros((0, 4), np.float32), np.zeros(0, np.int32), height=50, width=50),
        Annotation(np.array([[0.0, 0.0, 0.5, 1.0]], np.float32), np.array([2], np.int32), height=80, width=80),
    ],
    LABELS,
)
PERFECT = np.array([[1, 40, 10, 80, 40, 0.9, 1], [3, 0, 0, 80, 40, 0.8, 2]])


def test_perfect_detections_score_one() -> None:
    assert coco_score(TRUTH, PERFECT) == pytest.approx((1, 1))


def test_a_box_that_is_off_counts_for_loose_thresholds_alone() -> None:
    shifted = PERFECT.copy()
    shifted[0, 1] += 16  # IoU 0.67
    score = coco_score(TRUTH, shifted)
    assert score.mAP50 == pytest.approx(1)
    assert score.mAP == pytest.approx((1 + 0.4) / 2, abs=0.01)


def test_a_missing_class_counts_nothing() -> None:
    assert coco_score(TRUTH, PERFECT[:1]).mAP == pytest.approx(0.5)
    assert coco_score(TRUTH, np.zeros((0, 7))) == (0, 0)


def test_detections_are_decoded_suppressed_and_counted_from_class_one() -> None:
    anchors = np.array([[0.5, 0.5, 0.2, 0.2], [0.5, 0.5, 0.21, 0.2], [0.2, 0.2, 0.2, 0.2]], np.float32)
    logits = tf.constant([[[-9.0, 3.0], [-9.0, 2.0], [1.0, -9.0]]])

    def network(images: tf.Tensor, training: bool) -> dict[str, tf.Tensor]:
        return {"boxes": tf.zeros((1, 3, 4)), "logits": logits}

    found = detect(Detector(network, anchors, Configuration(), LABELS), tf.zeros((1, 64, 64, 3)))  # type: ignore[arg-type]
    assert found.count.numpy().tolist() == [2], "the second overlaps the first, and scores less"
    assert found.classes.numpy()[0, :3].tolist() == [2, 1, 0]
    np.testing.assert_allclose(found.boxes[0, :2], corners(tf.constant(anchors)).numpy()[[0, 2]], atol=1e-6)
    np.testing.assert_allclose(found.scores[0, :2], tf.sigmoid([3.0, 1.0]), atol=1e-6)
