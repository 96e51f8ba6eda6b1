"""The stream of training batches: in shuffled order, augmented, matched to anchors; a function of seed and step."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from detector_trainer.anchors import Targets, match
from detector_trainer.augmentation import augment, mosaic
from detector_trainer.configuration import Configuration
from detector_trainer.records import Annotation, Example, decoded, parse_example, read_records

CACHE_MARGIN = 1.3  # cached images are larger than the input by this much, so that crops stay sharp
CACHE_BYTES = 1 << 30  # sets that need more than this are read from their shards in every epoch
SHUFFLE_BUFFER = 1024  # images, of sets that are not cached
_FOREVER = np.iinfo(np.int64).max

logger = logging.getLogger(__name__)


def training_batches(
    shards: Sequence[Path],
    annotations: Sequence[Annotation],
    configuration: Configuration,
    anchors: np.ndarray,
    start: int = 0,
) -> tf.data.Dataset:
    """Endless dataset of (images, targets), from step ``start`` on.

    Images are (B, S, S, 3) float32 in 0..255, targets ``anchors.Targets`` with a leading batch axis. Order and
    augmentation follow from the seed and the number of sample and step alone, so a resumed training sees what it would
    have seen.
    """
    cached_size = round(CACHE_MARGIN * configuration.input_size)
    first = start * configuration.batch_size
    if len(annotations) * cached_size**2 * 3 <= CACHE_BYTES:
        samples = _from_memory(shards, annotations, cached_size, configuration.seed, first)
    else:
        logger.info("The training images do not fit in memory; they are read from their shards in every epoch.")
        samples = _from_shards(shards, annotations, cached_size, configuration.seed, first)
    anchors_tensor = tf.constant(anchors)

    options = configuration.augmentation

    # Plain tuples between the stages: tf.data hands a named one over as a single argument.
    def vary(index: tf.Tensor, example: Example) -> tuple[tf.Tensor, ...]:
        seed = tf.stack([tf.constant(configuration.seed, tf.int64), index])
        return tuple(augment(Example(*example), configuration.input_size, options, seed))

    def combine(step: tf.Tensor, batch: Example) -> tuple[tf.Tensor, ...]:
        seed = tf.stack([step, tf.constant(configuration.seed, tf.int64)])
        return tuple(mosaic(Example(*batch), options.mosaic, seed))

    def assign(image: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Targets]:
        return image, match(boxes, labels - 1, anchors_tensor)

    size = configuration.batch_size
    examples = samples.map(vary, num_parallel_calls=tf.data.AUTOTUNE)
    if options.mosaic:
        batches = examples.batch(size, drop_remainder=True).enumerate(start)
        examples = batches.map(combine, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
    targets = examples.map(assign, num_parallel_calls=tf.data.AUTOTUNE)
    return targets.batch(size, drop_remainder=True).prefetch(2)


def _from_memory(
    shards: Sequence[Path], annotations: Sequence[Annotation], size: int, seed: int, first: int
) -> tf.data.Dataset:
    """(index, Example) of images that were decoded once; each epoch is a permutation of its own."""
    count, most = len(annotations), _most_objects(annotations)
    examples = Example(
        np.empty((count, size, size, 3), np.uint8), np.empty((count, most, 4), np.float32), np.empty((count, most), int)
    )
    records = read_records(tf.data.Dataset.from_tensor_slices([str(shard) for shard in shards]))
    decoding = records.map(lambda record: _example(record, size, most), num_parallel_calls=tf.data.AUTOTUNE)
    for row, example in enumerate(decoded(decoding, annotations)):
        for array, value in zip(examples, example, strict=True):
            array[row] = value
    tensors = [tf.constant(array) for array in examples]

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(_shuffled(tf.range(count), seed, number))

    def read(index: tf.Tensor, row: tf.Tensor) -> tuple[tf.Tensor, Example]:
        return index, Example(*(tf.gather(tensor, row) for tensor in tensors))

    rows = tf.data.Dataset.range(first // count, _FOREVER).flat_map(epoch).skip(first % count)
    return rows.enumerate(first).map(read)


def _from_shards(
    shards: Sequence[Path], annotations: Sequence[Annotation], size: int, seed: int, first: int
) -> tf.data.Dataset:
    """(index, Example) read anew in each epoch: shards in an order of its own, images mixed in a buffer."""
    count, most = len(annotations), _most_objects(annotations)
    paths = tf.constant([str(shard) for shard in shards])

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        records = read_records(tf.data.Dataset.from_tensor_slices(_shuffled(paths, seed, number)))
        return records.shuffle(SHUFFLE_BUFFER, seed=number + seed, reshuffle_each_iteration=False)

    def read(index: tf.Tensor, record: tf.Tensor) -> tuple[tf.Tensor, Example]:
        return index, _example(record, size, most)

    records = tf.data.Dataset.range(first // count, _FOREVER).flat_map(epoch).skip(first % count)
    return records.enumerate(first).map(read, num_parallel_calls=tf.data.AUTOTUNE)


def _shuffled(values: tf.Tensor, seed: int, epoch: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_shuffle(values, tf.stack([tf.constant(seed, tf.int64), epoch]))


def _most_objects(annotations: Sequence[Annotation]) -> int:
    return max(len(annotation.labels) for annotation in annotations)


def _example(record: tf.Tensor, size: int, most: int) -> Example:
    """A record as uint8 image of ``size`` and objects padded to ``most``."""
    image, boxes, labels = parse_example(record, size)
    missing = most - tf.shape(labels)[0]
    return Example(
        tf.cast(tf.round(image), tf.uint8),
        tf.ensure_shape(tf.pad(boxes, [[0, missing], [0, 0]]), (most, 4)),
        tf.ensure_shape(tf.pad(labels, [[0, missing]]), (most,)),
    )
