from __future__ import annotations

import math

import pytest
import tensorflow as tf

from detector_trainer.anchors import Targets
from detector_trainer.losses import focal_loss, smooth_l1_loss

# One image, three anchors: an object of class 1, background, one to ignore.
TARGETS = Targets(tf.zeros((1, 3, 4)), tf.constant([[1, -1, -1]]), tf.constant([[False, False, True]]))


RIGHT_BOXES = tf.zeros((1, 3, 4))


def test_confident_and_right_costs_nothing_whatever_is_ignored() -> None:
    right = tf.constant([[[-20.0, 20.0], [-20.0, -20.0], [20.0, 20.0]]])
    assert float(focal_loss(right, RIGHT_BOXES, TARGETS)) == pytest.approx(0, abs=1e-6)


def test_focal_loss_at_even_odds() -> None:
    # p = 1/2 everywhere: (1/2)^2 * ln 2 for each of the four logits that count
    assert float(focal_loss(tf.zeros((1, 3, 2)), RIGHT_BOXES, TARGETS)) == pytest.approx(4 * 0.25 * 0.6931, rel=1e-3)


def test_a_loose_box_should_have_a_lower_score() -> None:
    half_as_high = tf.constant([[[0.0, 0.0, 5 * math.log(0.5), 0.0], [0.0] * 4, [0.0] * 4]])  # IoU 1/2
    modest, sure = (tf.constant([[[-20.0, logit], [-20.0, -20.0], [0.0, 0.0]]]) for logit in (0.0, 5.0))
    assert float(focal_loss(modest, half_as_high, TARGETS)) == pytest.approx(0, abs=1e-6)
    assert float(focal_loss(sure, half_as_high, TARGETS)) > 0.5


def test_smooth_l1_counts_matched_anchors_alone() -> None:
    boxes = tf.constant([[[0.5, 0.0, 2.0, 0.0], [9.0] * 4, [9.0] * 4]])
    assert float(smooth_l1_loss(boxes, TARGETS)) == pytest.approx(0.125 + 1.5)


def test_a_batch_without_objects_has_a_finite_loss() -> None:
    nothing = Targets(tf.zeros((1, 3, 4)), tf.fill((1, 3), -1), tf.fill((1, 3), False))
    assert float(focal_loss(tf.zeros((1, 3, 2)), RIGHT_BOXES, nothing)) > 0
    assert float(smooth_l1_loss(tf.ones((1, 3, 4)), nothing)) == 0
