"""What the network is trained to make small: focal loss for classes, smooth L1 for boxes."""

from __future__ import annotations

import tensorflow as tf

from detector_trainer.anchors import Targets, decode

FOCAL_GAMMA = 2.0


def focal_loss(logits: tf.Tensor, boxes: tf.Tensor, targets: Targets, matched: tf.Tensor | None = None) -> tf.Tensor:
    """Class loss per matched anchor of a batch, a scalar: the quality focal loss, https://arxiv.org/abs/2006.04388

    An anchor's score is trained to be the overlap (IoU) of its box with its object, not simply 1, so that of several
    boxes around an object the tightest scores highest.

    Args:
        logits: (B, N, C).
        boxes: (B, N, 4) encoded; no gradient flows into them.
        targets: of the batch, each field (B, N, …).
        matched: to divide by, where this is a part of a batch: the ``count_matched`` of all of it.
    """
    quality = tf.stop_gradient(_overlap(boxes, targets.boxes))
    truth = tf.one_hot(targets.classes, tf.shape(logits)[-1]) * quality[..., None]  # class -1 becomes all zeros
    weight = tf.abs(truth - tf.sigmoid(logits)) ** FOCAL_GAMMA
    loss = weight * tf.nn.sigmoid_cross_entropy_with_logits(truth, logits)
    counted = tf.cast(~targets.ignored, loss.dtype)[..., None]
    return tf.reduce_sum(loss * counted) / _divisor(targets, matched)


def smooth_l1_loss(boxes: tf.Tensor, targets: Targets, matched: tf.Tensor | None = None) -> tf.Tensor:
    """Box loss per matched anchor of a batch, a scalar, over (B, N, 4) encoded boxes. https://arxiv.org/abs/1504.08083"""
    difference = tf.abs(boxes - targets.boxes)
    loss = tf.where(difference < 1, 0.5 * difference**2, difference - 0.5)
    is_matched = tf.cast(targets.classes >= 0, loss.dtype)
    return tf.reduce_sum(tf.reduce_sum(loss, -1) * is_matched) / _divisor(targets, matched)


def count_matched(targets: Targets) -> tf.Tensor:
    """How many anchors are matched to objects, a float."""
    return tf.reduce_sum(tf.cast(targets.classes >= 0, tf.float32))


def _divisor(targets: Targets, matched: tf.Tensor | None) -> tf.Tensor:
    return tf.maximum(count_matched(targets) if matched is None else matched, 1.0)


def _overlap(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """(B, N) IoU of encoded boxes of the same anchors; any anchor serves, because IoU is the same in every scale."""
    first, second = (decode(boxes, tf.constant([0.0, 0.0, 1.0, 1.0])) for boxes in (first, second))
    size = tf.minimum(first[..., 2:], second[..., 2:]) - tf.maximum(first[..., :2], second[..., :2])
    intersection = tf.reduce_prod(tf.maximum(size, 0.0), -1)
    areas = [tf.reduce_prod(boxes[..., 2:] - boxes[..., :2], -1) for boxes in (first, second)]
    return tf.math.divide_no_nan(intersection, areas[0] + areas[1] - intersection)
