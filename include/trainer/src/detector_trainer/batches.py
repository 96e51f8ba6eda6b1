"""The stream of training batches: in shuffled order, augmented, matched to anchors; a function of seed and step."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from detector_trainer.anchors import Targets, match
from detector_trainer.augmentation import augment, tiled
from detector_trainer.configuration import Configuration
from detector_trainer.records import AT_ONCE, Annotation, Example, decoded, parse_example, read_records, untuned

CACHE_MARGIN = 1.3  # cached images are larger than the input by this much, so that crops stay sharp
CACHE_BYTES = 1 << 30  # sets that need more than this are read from their shards in every epoch
SHUFFLE_BUFFER = 1024  # images, of sets that are not cached
MOSAIC_REACH = 3  # rows before its own that a mosaic shows
_FOREVER = np.iinfo(np.int64).max
Wanted = Callable[[tf.data.Dataset], tf.data.Dataset]  # of (index, what it takes to read a sample), some

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """The rows of every batch that one of several workers reads.

    Attributes:
        worker: its number, from 0.
        workers: how many share a batch evenly.
        replicas: of the network, in this worker; each gets batches of its own, the worker's rows in their order.
    """

    worker: int = 0
    workers: int = 1
    replicas: int = 1

    def rows(self, batch_size: int) -> range:
        """Of the batch, which this worker trains on."""
        share = batch_size // self.workers
        return range(self.worker * share, (self.worker + 1) * share)


def training_batches(
    shards: Sequence[Path],
    annotations: Sequence[Annotation],
    configuration: Configuration,
    anchors: np.ndarray,
    start: int = 0,
    part: Part | None = None,
) -> tf.data.Dataset:
    """Endless dataset of (images, targets), from step ``start`` on.

    Images are (B, S, S, 3) float32 in 0..255, targets ``anchors.Targets`` with a leading batch axis. Order and
    augmentation follow from the seed and the number of sample and step alone, so a resumed training sees what it would
    have seen, and several workers, each with its ``part``, see together what one would.
    """
    cached_size = round(CACHE_MARGIN * configuration.input_size)
    first, size = start * configuration.batch_size, configuration.batch_size
    part, options = part or Part(), configuration.augmentation
    # In the order in which they are needed; those before the first are the last, as everywhere in a batch.
    own = part.rows(size)
    reach = MOSAIC_REACH if options.mosaic and part.workers > 1 else 0
    needed = [row % size for row in range(own.start - reach, own.stop)]
    rows = sorted(set(needed))

    def wanted(numbered: tf.data.Dataset) -> tf.data.Dataset:
        if len(rows) == size:
            return numbered
        return numbered.filter(lambda index, _: tf.reduce_any(index % size == tf.constant(rows, tf.int64)))

    if len(annotations) * cached_size**2 * 3 <= CACHE_BYTES:
        samples = _from_memory(shards, annotations, cached_size, configuration.seed, first, wanted)
    else:
        logger.info("The training images do not fit in memory; they are read from their shards in every epoch.")
        samples = _from_shards(shards, annotations, cached_size, configuration.seed, first, wanted)
    anchors_tensor = tf.constant(anchors)

    # Plain tuples between the stages: tf.data hands a named one over as a single argument.
    def vary(index: tf.Tensor, example: Example) -> tuple[tf.Tensor, ...]:
        seed = tf.stack([tf.constant(configuration.seed, tf.int64), index])
        return tuple(augment(Example(*example), configuration.input_size, options, seed))

    def combine(step: tf.Tensor, batch: Example) -> tuple[tf.Tensor, ...]:
        seed = tf.stack([step, tf.constant(configuration.seed, tf.int64)])
        chosen = tf.random.stateless_uniform((size,), seed) < options.mosaic
        if reach:
            chosen = tf.gather(chosen, needed)
            batch = Example(*(tf.gather(values, [rows.index(row) for row in needed]) for values in batch))
        return tuple(values[reach:] for values in tiled(Example(*batch), chosen))

    def assign(image: tf.Tensor, boxes: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, Targets]:
        return image, match(boxes, labels - 1, anchors_tensor)

    examples = samples.map(vary, num_parallel_calls=AT_ONCE)
    if options.mosaic:
        batches = examples.batch(len(rows), drop_remainder=True).enumerate(start)
        examples = batches.map(combine, num_parallel_calls=AT_ONCE).unbatch()
    targets = examples.map(assign, num_parallel_calls=AT_ONCE)
    return untuned(targets.batch(len(own) // part.replicas, drop_remainder=True).prefetch(2))


def _from_memory(
    shards: Sequence[Path], annotations: Sequence[Annotation], size: int, seed: int, first: int, wanted: Wanted
) -> tf.data.Dataset:
    """(index, Example) of images that were decoded once; each epoch is a permutation of its own."""
    count, most = len(annotations), _most_objects(annotations)
    examples = Example(
        np.empty((count, size, size, 3), np.uint8), np.empty((count, most, 4), np.float32), np.empty((count, most), int)
    )
    records = read_records(tf.data.Dataset.from_tensor_slices([str(shard) for shard in shards]))
    decoding = records.map(lambda record: _example(record, size, most), num_parallel_calls=AT_ONCE)
    for row, example in enumerate(decoded(decoding, annotations)):
        for array, value in zip(examples, example, strict=True):
            array[row] = value
    tensors = [tf.constant(array) for array in examples]

    def epoch(number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(_shuffled(tf.range(count), seed, number))

    def read(index: tf.Tensor, row: tf.Tensor) -> tuple[tf.Tensor, Example]:
        return index, Example(*(tf.gather(tensor, row) for tensor in tensors))

    rows = tf.data.Dataset.range(first // count, _FOREVER).flat_map(epoch).skip(first % count)
    return wanted(rows.enumerate(first)).map(read)


def _from_shards(
    shards: Sequence[Path], annotations: Sequence[Annotation], size: int, seed: int, first: int, wanted: Wanted
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
    return wanted(records.enumerate(first)).map(read, num_parallel_calls=AT_ONCE)


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
