from __future__ import annotations

import pytest
import tensorflow as tf

from detector_trainer.anchors import Targets
from detector_trainer.losses import focal_loss, smooth_l1_loss

# One image, three anchors: an object of class 1, background, one to ignore.
TARGETS = Targets(tf.zeros((1, 3, 4)), tf.constant([[1, -1, -1]]), tf.constant([[False, False, True]]))


def test_confident_and_right_costs_nothing_whatever_is_ignored() -> None:
    right = tf.constant([[[-20.0, 20.0], [-20.0, -20.0], [20.0, 20.0]]])
    assert float(focal_loss(right, TARGETS)) == pytest.approx(0, abs=1e-6)


def test_focal_loss_at_even_odds() -> None:
    # p = 1/2 everywhere: (0.25 + 3 * 0.75) * (1/2)^2 * ln 2, for the four logits that count
    assert float(focal_loss(tf.zeros((1, 3, 2)), TARGETS)) == pytest.approx(2.5 * 0.25 * 0.6931, rel=1e-3)


def test_smooth_l1_counts_matched_anchors_alone() -> None:
    boxes = tf.constant([[[0.5, 0.0, 2.0, 0.0], [9.0] * 4, [9.0] * 4]])
    assert float(smooth_l1_loss(boxes, TARGETS)) == pytest.approx(0.125 + 1.5)


def test_a_batch_without_objects_has_a_finite_loss() -> None:
    nothing = Targets(tf.zeros((1, 3, 4)), tf.fill((1, 3), -1), tf.fill((1, 3), False))
    assert float(focal_loss(tf.zeros((1, 3, 2)), nothing)) > 0
    assert float(smooth_l1_loss(tf.ones((1, 3, 4)), nothing)) == 0
