"""Training steps per second, against ``model.fit`` over a plain ``tf.data``; and whether the network ever waits.

The plain way is the same network, losses, optimiser and augmentation, trained with Keras's own loop. Its input is
written the way tutorials begin: each image is decoded in every epoch, nothing is cached, prefetched or done in
parallel. Ours also keeps the running average of the weights. Both run TensorFlow's deterministic operations, as the
trainer does. Steps are timed by the clock, because what matters is what two cores do at the same time: run this on a
machine that is idle.

That the input is no bottleneck is seen by training on one batch over and over, and by the input alone.

Measured on the last of the folders given, else on generated images; from random weights, at the trainer's preset for
photographs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benches.datasets import build, shards
from benches.measure import Asked, Goal, Row, main, side_by_side
from benches.pictures import Pictures, picture_sets
from detector_trainer.configuration import Configuration
from include.store import Store

STEPS = 12  # of each timing: about an epoch of 200 images
REPETITIONS = 3
MARGIN = 1.3  # decoded images are larger than the input by this much, as the trainer's are, so that crops stay sharp
INPUT_ALONE = 4  # times as many batches, so that the few that lie ready at the start count little


@dataclass(frozen=True)
class TrainingSet:
    shards: list[Path]
    annotations: Sequence[Any]
    label_map: dict[int, str]
    configuration: Configuration


def bench(asked: Asked) -> list[Row]:
    configuration = Configuration.preset("default").replace(weights="none")
    with picture_sets(asked.data) as sets, TemporaryDirectory(prefix="lanner-bench-") as scratch:
        return compare(training_set(sets[-1], Store(scratch), configuration), sets[-1].name)


def compare(given: TrainingSet, on: str) -> list[Row]:
    import tensorflow as tf

    from detector_trainer.batches import training_batches
    from detector_trainer.learner import Learner

    tf.config.experimental.enable_op_determinism()
    learner = Learner(given.configuration, given.label_map)
    make = training_batches(given.shards, given.annotations, given.configuration, learner.detector.anchors)
    stream, alone = iter(make), iter(make)
    batch = next(stream)

    def train(next_batch: Callable[[], Any]) -> None:
        for _ in range(STEPS):
            loss = learner.step(*next_batch())
        loss.numpy()  # until now the steps may only have been queued

    def read() -> None:
        for _ in range(INPUT_ALONE * STEPS):
            next(alone)

    ours, memory, reading, theirs = side_by_side(
        lambda: train(lambda: next(stream)),
        lambda: train(lambda: batch),
        read,
        plain_training(given),
        repetitions=REPETITIONS,
        clock=time.perf_counter,
        least=0,
    )
    size = given.configuration.batch_size
    images = STEPS * size
    where = f"{on}; {given.configuration.input_size} px, batches of {size}"
    rate = ours.rate(images, "images", "s")
    return [
        Row("training", "model.fit over a plain tf.data", where, rate, theirs.rate(images, "images", "s"),
            theirs.times(ours), Goal("≥", 1.2)),
        Row("training", "the same on one batch from memory", where, rate, memory.rate(images, "images", "s"),
            memory.times(ours)),
        Row("the training's input alone", "training", where, reading.rate(INPUT_ALONE * images, "images", "s"), rate,
            ours.times(reading).scaled(INPUT_ALONE)),
    ]  # fmt: skip


def training_set(pictures: Pictures, store: Store, configuration: Configuration) -> TrainingSet:
    """All of the pictures, as shards."""
    from detector_trainer.label_map import read_label_map
    from detector_trainer.records import read_annotations

    dataset = build(pictures.folder, store, shares=(1.0, 0.0, 0.0))
    label_map = read_label_map(Path(str(store.path(dataset.label_map_pbtxt))))
    written = shards(store, dataset, "train")
    return TrainingSet(written, read_annotations(written, label_map), label_map, configuration)


def plain_training(given: TrainingSet) -> Callable[[], object]:
    """Some steps of it."""
    from detector_trainer.model import build_detector

    detector = build_detector(given.configuration, given.label_map)
    model = plain_model(detector.model)
    batches = plain_batches(given, detector.anchors)
    model.compile(optimizer=_optimizer(given.configuration))
    return lambda: model.fit(batches, steps_per_epoch=STEPS, verbose=0)


def plain_model(network: Any) -> Any:
    """A network whose ``fit`` makes the trainer's losses small."""
    import keras

    from detector_trainer.anchors import Targets
    from detector_trainer.losses import focal_loss, smooth_l1_loss

    class Plain(keras.Model):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def call(self, images: Any, training: bool = False) -> Any:
            return self.network(images, training=training)

        def compute_loss(self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any) -> Any:
            targets = Targets(*y)
            return focal_loss(y_pred["logits"], y_pred["boxes"], targets) + smooth_l1_loss(y_pred["boxes"], targets)

    return Plain()


def _optimizer(configuration: Configuration) -> Any:
    import keras

    return keras.optimizers.AdamW(
        configuration.learning_rate, weight_decay=configuration.weight_decay, global_clipnorm=10.0
    )


def plain_batches(given: TrainingSet, anchors: Any) -> Any:
    """An epoch: the trainer's stages one after another, without cache, prefetching or anything in parallel."""
    import tensorflow as tf

    from detector_trainer.anchors import match
    from detector_trainer.augmentation import augment, mosaic
    from detector_trainer.records import Example, parse_example

    configuration, options = given.configuration, given.configuration.augmentation
    most = max(len(annotation.labels) for annotation in given.annotations)
    decoded = round(MARGIN * configuration.input_size)
    size = configuration.batch_size

    def read(record: Any) -> tuple[Any, ...]:
        image, boxes, labels = parse_example(record, decoded)
        missing = most - tf.shape(labels)[0]
        boxes = tf.ensure_shape(tf.pad(boxes, [[0, missing], [0, 0]]), (most, 4))
        labels = tf.ensure_shape(tf.pad(labels, [[0, missing]]), (most,))
        return tf.cast(tf.round(image), tf.uint8), boxes, labels

    def vary(index: Any, example: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(augment(Example(*example), configuration.input_size, options, tf.stack([index, index])))

    def combine(index: Any, batch: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(mosaic(Example(*batch), options.mosaic, tf.stack([index, index])))

    def assign(image: Any, boxes: Any, labels: Any) -> tuple[Any, Any]:
        return image, tuple(match(boxes, labels - 1, tf.constant(anchors)))

    examples = tf.data.TFRecordDataset([str(shard) for shard in given.shards]).shuffle(1024).map(read)
    examples = examples.enumerate().map(vary)
    if options.mosaic:
        examples = examples.batch(size, drop_remainder=True).enumerate().map(combine).unbatch()
    return examples.map(assign).batch(size, drop_remainder=True)


if __name__ == "__main__":
    main(__doc__, bench)
