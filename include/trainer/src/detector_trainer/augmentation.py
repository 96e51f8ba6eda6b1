"""Varying training images together with their boxes. Random by a given seed only, so that a sample can be repeated."""

from __future__ import annotations

import tensorflow as tf

from detector_trainer.configuration import Augmentation
from detector_trainer.records import Example

_MARGIN_GREY = 127.0  # what a window shows beside the image
_LEAST_VISIBLE = 0.35  # share of a box's area that must stay in the window


def augment(example: Example, size: int, options: Augmentation, seed: tf.Tensor) -> Example:
    """Cut a random window, resize it to ``size`` x ``size``, vary its colours, and mirror it.

    Args:
        example: uint8 image of any square size; padding has label 0.
        seed: (2,) integers; the same seed gives the same result.

    Returns:
        float32 image in 0..255, clipped boxes relative to the window; boxes cut to less than a third become padding.
    """
    seeds = tf.unstack(tf.random.split(seed, 5))
    window = random_window(example, options, seeds[0])
    image = _cut(example.image, window, size)
    boxes, labels = _move_boxes(example.boxes, example.labels, window)
    if options.brightness:
        image += 255.0 * tf.random.stateless_uniform((), seeds[1], -options.brightness, options.brightness)
    if options.contrast:
        image = tf.image.stateless_random_contrast(image, 1 - options.contrast, 1 + options.contrast, seeds[2])
    if options.saturation:
        factor = tf.random.stateless_uniform((), seeds[3], 1 - options.saturation, 1 + options.saturation)
        grey = tf.reduce_mean(image, -1, keepdims=True)
        image = grey + (image - grey) * factor
    image = tf.clip_by_value(image, 0.0, 255.0)
    if options.mirror and tf.random.stateless_uniform((), seeds[4]) < 0.5:
        image = tf.reverse(image, [1])
        ymin, xmin, ymax, xmax = tf.unstack(boxes, axis=-1)
        boxes = tf.stack([ymin, 1 - xmax, ymax, 1 - xmin], -1)
    return Example(image, boxes, labels)


def mosaic(batch: Example, share: float, seed: tf.Tensor) -> Example:
    """Replace a random share of a batch's images by two by two of them at half their size.

    So objects are seen smaller, beside others and cut off (YOLOv4's mosaic, https://arxiv.org/abs/2004.10934).

    Args:
        batch: (B, S, S, 3) images, (B, G, 4) boxes, (B, G) labels.
        seed: (2,) integers.

    Returns:
        The batch with room for four times as many objects per image.
    """
    return tiled(batch, tf.random.stateless_uniform(tf.shape(batch.labels)[:1], seed) < share)


def tiled(batch: Example, chosen: tf.Tensor) -> Example:
    """Replace the chosen images, (B,) bool, by themselves and the three before them; before the first is the last."""
    size = batch.image.shape[1]
    half = (size + 1) // 2
    small = tf.image.resize(batch.image, (half, half), "area")
    tiles = [tf.roll(small, shift, 0) for shift in range(4)]
    images = tf.concat([tf.concat(tiles[:2], 2), tf.concat(tiles[2:], 2)], 1)[:, :size, :size]
    boxes, labels = [], []
    for shift, corner in enumerate(((0, 0), (0, 1), (1, 0), (1, 1))):
        moved = (tf.roll(batch.boxes, shift, 0) + tf.constant(corner * 2, tf.float32)) * (half / size)
        boxes.append(tf.minimum(moved, 1.0))
        labels.append(tf.roll(batch.labels, shift, 0))
    more = tf.shape(batch.labels)[1] * 3
    return Example(
        tf.where(chosen[:, None, None, None], images, batch.image),
        tf.where(chosen[:, None, None], tf.concat(boxes, 1), tf.pad(batch.boxes, [[0, 0], [0, more], [0, 0]])),
        tf.where(chosen[:, None], tf.concat(labels, 1), tf.pad(batch.labels, [[0, 0], [0, more]])),
    )


def random_window(example: Example, options: Augmentation, seed: tf.Tensor) -> tf.Tensor:
    """(4,) ymin, xmin, ymax, xmax of a window that shows the centre of one of the objects; it may leave the image.

    Its sides are ``crop`` to ``zoom_out`` times the image's, and up to ``stretch`` times one another.
    """
    seeds = tf.unstack(tf.random.split(seed, 4))
    side = tf.random.stateless_uniform((), seeds[0], options.crop, options.zoom_out)
    log_stretch = tf.math.log(float(options.stretch)) / 2
    aspect = tf.exp(tf.random.stateless_uniform((), seeds[1], -log_stretch, log_stretch))
    shape = tf.stack([side / aspect, side * aspect])
    objects = tf.boolean_mask(example.boxes, example.labels > 0)
    count = tf.shape(objects)[0]
    if count > 0:
        chosen = objects[tf.random.stateless_uniform((), seeds[2], 0, count, tf.int32)]
        centre = (chosen[:2] + chosen[2:]) / 2
    else:
        centre = tf.constant([0.5, 0.5])
    # Where the window fits into the image, or the image into it, it stays so; and it reaches the object's centre.
    low = tf.maximum(tf.minimum(0.0, 1 - shape), centre - shape)
    high = tf.minimum(tf.maximum(0.0, 1 - shape), centre)
    corner = low + tf.random.stateless_uniform((2,), seeds[3]) * (high - low)
    return tf.concat([corner, corner + shape], 0)


def _cut(image: tf.Tensor, window: tf.Tensor, size: int) -> tf.Tensor:
    """(size, size, 3) float32: what a window of the image shows.

    ``crop_and_resize`` lays its first and last samples on the window's edges, ``tf.image.resize`` half a pixel inside
    (as the detector's input is made otherwise); the window is shrunk so that both agree.
    """
    pixels = tf.cast(tf.shape(image)[0], tf.float32)
    half = (window[2:] - window[:2]) / (2 * size)
    inner = tf.concat([window[:2] + half, window[2:] - half], 0)
    corners = (inner * pixels - 0.5) / (pixels - 1)
    cut = tf.image.crop_and_resize(image[None], corners[None], [0], (size, size), extrapolation_value=_MARGIN_GREY)
    return cut[0]


def _move_boxes(boxes: tf.Tensor, labels: tf.Tensor, window: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    origin, shape = window[:2], window[2:] - window[:2]
    moved = (boxes - tf.tile(origin, [2])) / tf.tile(shape, [2])
    clipped = tf.clip_by_value(moved, 0.0, 1.0)
    visible = tf.math.divide_no_nan(_area(clipped), _area(moved)) >= _LEAST_VISIBLE
    is_object = visible & (labels > 0)
    return tf.where(is_object[:, None], clipped, 0.0), tf.where(is_object, labels, 0)


def _area(boxes: tf.Tensor) -> tf.Tensor:
    return tf.reduce_prod(boxes[:, 2:] - boxes[:, :2], -1)
