"""From the network's outputs to detections: decode boxes, drop the improbable and the doubled."""

from __future__ import annotations

from typing import NamedTuple

import tensorflow as tf

from detector_trainer.anchors import decode
from detector_trainer.model import Detector

MOST_DETECTIONS = 100  # per image


class Detections(NamedTuple):
    """What was found in B images, best first; rows from ``count`` on are zeros."""

    boxes: tf.Tensor  # (B, 100, 4) ymin, xmin, ymax, xmax in 0..1
    classes: tf.Tensor  # (B, 100) float32 class ids from 1
    scores: tf.Tensor  # (B, 100)
    count: tf.Tensor  # (B,) int32


def detect(detector: Detector, images: tf.Tensor) -> Detections:
    """Detections in (B, S, S, 3) float32 images with values in 0..255. Non-maximum suppression is per class."""
    outputs = detector.model(images, training=False)
    boxes = decode(outputs["boxes"], tf.constant(detector.anchors))
    found = tf.image.combined_non_max_suppression(
        boxes[:, :, None],
        tf.sigmoid(outputs["logits"]),
        max_output_size_per_class=MOST_DETECTIONS,
        max_total_size=MOST_DETECTIONS,
        iou_threshold=detector.configuration.iou_threshold,
        score_threshold=detector.configuration.score_threshold,
        clip_boxes=True,  # of what is kept: suppression sees boxes whole, as in TFLite_Detection_PostProcess
    )
    is_found = tf.sequence_mask(found.valid_detections, MOST_DETECTIONS, tf.float32)
    classes = (found.nmsed_classes + 1) * is_found
    return Detections(found.nmsed_boxes, classes, found.nmsed_scores, found.valid_detections)
