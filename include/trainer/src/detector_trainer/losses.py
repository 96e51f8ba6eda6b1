"""What the network is trained to make small: focal loss for classes, smooth L1 for boxes."""

from __future__ import annotations

import tensorflow as tf

from detector_trainer.anchors import Targets

FOCAL_ALPHA, FOCAL_GAMMA = 0.25, 2.0
# Of the class loss against the box loss. Weighing the boxes down to a quarter of this left them loose: on photographs
# most misses were confident detections that overlapped their object by less than half.
CLASS_LOSS_WEIGHT = 2.0


def focal_loss(logits: tf.Tensor, targets: Targets) -> tf.Tensor:
    """Class loss per matched anchor of a batch, a scalar. https://arxiv.org/abs/1708.02002

    Args:
        logits: (B, N, C).
        targets: of the batch, each field (B, N, …).
    """
    truth = tf.one_hot(targets.classes, tf.shape(logits)[-1])  # -1 becomes all zeros
    probability = tf.sigmoid(logits)
    right = truth * probability + (1 - truth) * (1 - probability)
    weight = truth * FOCAL_ALPHA + (1 - truth) * (1 - FOCAL_ALPHA)
    loss = weight * (1 - right) ** FOCAL_GAMMA * tf.nn.sigmoid_cross_entropy_with_logits(truth, logits)
    counted = tf.cast(~targets.ignored, loss.dtype)[..., None]
    return tf.reduce_sum(loss * counted) / _matched(targets)


def smooth_l1_loss(boxes: tf.Tensor, targets: Targets) -> tf.Tensor:
    """Box loss per matched anchor of a batch, a scalar, over (B, N, 4) encoded boxes. https://arxiv.org/abs/1504.08083"""
    difference = tf.abs(boxes - targets.boxes)
    loss = tf.where(difference < 1, 0.5 * difference**2, difference - 0.5)
    is_matched = tf.cast(targets.classes >= 0, loss.dtype)
    return tf.reduce_sum(tf.reduce_sum(loss, -1) * is_matched) / _matched(targets)


def _matched(targets: Targets) -> tf.Tensor:
    return tf.maximum(tf.reduce_sum(tf.cast(targets.classes >= 0, tf.float32)), 1.0)
