"""Anchors: where they lie, which object each is trained on, and how boxes are written relative to them.

Boxes are (ymin, xmin, ymax, xmax), anchors (centre y, centre x, height, width), both as shares of the image's side.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import tensorflow as tf

ASPECT_RATIOS = (1.0, 2.0, 0.5)  # width / height
OCTAVES = (1.0, 2**0.5)  # sizes per feature map: the next map's smallest is twice this one's
ANCHORS_PER_CELL = len(ASPECT_RATIOS) * len(OCTAVES)

# How box offsets are scaled before the loss sees them (y, x, height, width): the TF Object Detection API's box coder,
# which TFLite_Detection_PostProcess decodes.
BOX_SCALES = (10.0, 10.0, 5.0, 5.0)

MATCHED_IOU = 0.5  # an anchor that overlaps an object by this much is trained to find it
IGNORED_IOU = 0.4  # between the two it is trained on nothing


class Targets(NamedTuple):
    """What N anchors are trained to say of one image."""

    boxes: tf.Tensor  # (N, 4) encoded
    classes: tf.Tensor  # (N,) int32 from 0; -1: no object
    ignored: tf.Tensor  # (N,) bool: neither object nor background


def make_anchors(grids: Sequence[int], strides: Sequence[int], input_size: int, scale: float) -> np.ndarray:
    """(N, 4) float32 anchors of square feature maps, map by map, row by row, cell by cell.

    Each cell has three shapes in two sizes, as in RetinaNet (https://arxiv.org/abs/1708.02002) and in the TF Object
    Detection API's FPNLite models: ``scale`` cells wide at first; none larger than the image.

    Args:
        grids: cells per side of each feature map.
        strides: pixels per cell of each feature map.
        input_size: the image's side in pixels.
        scale: side of the smallest square anchor in cells.
    """
    anchors: list[tuple[float, ...]] = []
    for grid, stride in zip(grids, strides, strict=True):
        centres = (np.arange(grid) + 0.5) / grid
        sides = [min(scale * octave * stride / input_size, 1.0) for octave in OCTAVES]
        shapes = [(side / ratio**0.5, side * ratio**0.5) for side in sides for ratio in ASPECT_RATIOS]
        for y in centres:
            for x in centres:
                anchors.extend((y, x, height, width) for height, width in shapes)
    return np.asarray(anchors, np.float32)


def corners(anchors: tf.Tensor) -> tf.Tensor:
    """(…, 4) anchors as (ymin, xmin, ymax, xmax)."""
    centre, size = anchors[..., :2], anchors[..., 2:]
    return tf.concat([centre - size / 2, centre + size / 2], -1)


def encode(boxes: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """(N, 4) boxes relative to their (N, 4) anchors: (ty, tx, th, tw). Faster R-CNN, https://arxiv.org/abs/1506.01497."""
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    size = tf.maximum(boxes[..., 2:] - boxes[..., :2], 1e-4)
    offset = (centre - anchors[..., :2]) / anchors[..., 2:]
    return tf.concat([offset, tf.math.log(size / anchors[..., 2:])], -1) * tf.constant(BOX_SCALES)


def decode(encoded: tf.Tensor, anchors: tf.Tensor) -> tf.Tensor:
    """(…, N, 4) encoded boxes back to (ymin, xmin, ymax, xmax); the inverse of ``encode``."""
    encoded = encoded / tf.constant(BOX_SCALES)
    centre = encoded[..., :2] * anchors[..., 2:] + anchors[..., :2]
    size = tf.exp(encoded[..., 2:]) * anchors[..., 2:]
    return tf.concat([centre - size / 2, centre + size / 2], -1)


def pairwise_iou(first: tf.Tensor, second: tf.Tensor) -> tf.Tensor:
    """(N, M) intersection over union of (N, 4) with (M, 4) boxes; 0 where a box has no area."""
    top_left = tf.maximum(first[:, None, :2], second[None, :, :2])
    bottom_right = tf.minimum(first[:, None, 2:], second[None, :, 2:])
    intersection = tf.reduce_prod(tf.maximum(bottom_right - top_left, 0.0), -1)
    areas = [tf.reduce_prod(tf.maximum(boxes[:, 2:] - boxes[:, :2], 0.0), -1) for boxes in (first, second)]
    return tf.math.divide_no_nan(intersection, areas[0][:, None] + areas[1][None] - intersection)


def match(boxes: tf.Tensor, classes: tf.Tensor, anchors: tf.Tensor) -> Targets:
    """Give each anchor the object that it overlaps most, and each object at least its best anchor.

    SSD's matching, https://arxiv.org/abs/1512.02325, section 2.2.

    Args:
        boxes: (G, 4), at least one row; rows of padding may hold anything.
        classes: (G,) int32 from 0; -1 marks padding.
        anchors: (N, 4).
    """
    real = tf.where(classes >= 0)[:, 0]
    iou = tf.where(classes >= 0, pairwise_iou(corners(anchors), boxes), -1.0)
    overlap, chosen = tf.reduce_max(iou, 1), tf.argmax(iou, 1)
    best_anchor = tf.gather(tf.argmax(iou, 0), real)[:, None]
    overlap = tf.tensor_scatter_nd_update(overlap, best_anchor, tf.ones_like(real, tf.float32))
    chosen = tf.tensor_scatter_nd_update(chosen, best_anchor, real)
    positive = overlap >= MATCHED_IOU
    return Targets(
        encode(tf.gather(boxes, chosen), anchors),
        tf.where(positive, tf.gather(classes, chosen), -1),
        (overlap >= IGNORED_IOU) & ~positive,
    )
