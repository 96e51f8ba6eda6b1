from __future__ import annotations

from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detector_trainer import batches
from detector_trainer.anchors import make_anchors
from detector_trainer.configuration import Augmentation, Configuration
from detector_trainer.errors import BadInput
from detector_trainer.records import find_shards, read_annotations

STILL = Augmentation(mirror=False, crop=1, zoom_out=1, stretch=1, mosaic=0, brightness=0, contrast=0, saturation=0)
ANCHORS = make_anchors([8, 4], [8, 16], 64, scale=3.0)


def stream(data: Path, configuration: Configuration, start: int, count: int) -> list[np.ndarray]:
    """``count`` batches from step ``start``, their images alone."""
    shards = find_shards(data, "train")
    annotations = read_annotations(shards, {1: "red", 2: "green"})
    dataset = batches.training_batches(shards, annotations, configuration, ANCHORS, start)
    return [images.numpy() for images, _ in islice(dataset, count)]


@pytest.mark.parametrize("cache_bytes", [batches.CACHE_BYTES, 0], ids=["from memory", "from shards"])
def test_a_resumed_stream_goes_on_as_it_would_have(
    data: Path, monkeypatch: pytest.MonkeyPatch, cache_bytes: int
) -> None:
    monkeypatch.setattr(batches, "CACHE_BYTES", cache_bytes)
    configuration = Configuration(input_size=64, batch_size=3, seed=4)
    whole, resumed = stream(data, configuration, 0, 9), stream(data, configuration, 5, 4)
    np.testing.assert_array_equal(whole[5:], resumed)
    assert not np.array_equal(whole[0], stream(data, Configuration(input_size=64, batch_size=3, seed=5), 0, 1)[0])


@pytest.mark.parametrize("cache_bytes", [batches.CACHE_BYTES, 0], ids=["from memory", "from shards"])
def test_nothing_tunes_the_stream(data: Path, monkeypatch: pytest.MonkeyPatch, cache_bytes: int) -> None:
    """What is stopped would wait for it, up to a minute."""
    monkeypatch.setattr(batches, "CACHE_BYTES", cache_bytes)
    shards = find_shards(data, "train")
    annotations = read_annotations(shards, {1: "red", 2: "green"})
    dataset = batches.training_batches(shards, annotations, Configuration(input_size=64), ANCHORS)
    assert dataset.options().autotune.enabled is False


@pytest.mark.parametrize("cache_bytes", [batches.CACHE_BYTES, 0], ids=["from memory", "from shards"])
def test_every_epoch_shows_each_image_once_in_another_order(
    data: Path, monkeypatch: pytest.MonkeyPatch, cache_bytes: int
) -> None:
    monkeypatch.setattr(batches, "CACHE_BYTES", cache_bytes)
    configuration = Configuration(input_size=64, batch_size=10, augmentation=STILL)
    first, second = ([image.tobytes() for image in epoch] for epoch in stream(data, configuration, 0, 2))
    assert Counter(first) == Counter(second)
    assert len(set(first)) == 10
    assert first != second


def test_an_image_that_cannot_be_decoded_is_named(data: Path, tmp_path: Path) -> None:
    example = tf.train.Example.FromString(
        next(iter(tf.data.TFRecordDataset(str(data / "train" / "b.tfrecord")))).numpy()
    )
    example.features.feature["image/encoded"].bytes_list.value[0] = b"no image"
    shards = [data / "train" / "a.tfrecord", tmp_path / "bad.tfrecord"]
    with tf.io.TFRecordWriter(str(shards[1])) as writer:
        writer.write(example.SerializeToString())
    annotations = read_annotations(shards, {1: "red", 2: "green"})
    with pytest.raises(BadInput, match=r"bad\.tfrecord, record 1 \(train/b-0\.jpg\): image/encoded cannot be decoded"):
        batches.training_batches(shards, annotations, Configuration(input_size=64), ANCHORS)


def test_targets_are_of_the_classes_from_zero(data: Path) -> None:
    shards = find_shards(data, "train")
    annotations = read_annotations(shards, {1: "red", 2: "green"})
    dataset = batches.training_batches(shards, annotations, Configuration(input_size=64, batch_size=10), ANCHORS)
    images, (boxes, classes, ignored) = next(iter(dataset))
    assert images.shape == (10, 64, 64, 3)
    assert boxes.shape == (10, len(ANCHORS), 4)
    assert set(tf.unique(tf.reshape(classes, [-1]))[0].numpy()) == {-1, 0, 1}
    assert ignored.dtype == tf.bool


@pytest.mark.parametrize("cache_bytes", [batches.CACHE_BYTES, 0], ids=["from memory", "from shards"])
@pytest.mark.parametrize("share", [0.0, 0.5], ids=["without mosaic", "with mosaic"])
def test_the_parts_of_all_workers_are_the_whole(
    data: Path, monkeypatch: pytest.MonkeyPatch, cache_bytes: int, share: float
) -> None:
    monkeypatch.setattr(batches, "CACHE_BYTES", cache_bytes)
    configuration = Configuration(input_size=64, batch_size=8, augmentation=Augmentation(mosaic=share))
    shards = find_shards(data, "train")
    annotations = read_annotations(shards, {1: "red", 2: "green"})

    def read(part: batches.Part, count: int) -> list[tuple[np.ndarray, ...]]:
        dataset = batches.training_batches(shards, annotations, configuration, ANCHORS, 1, part)
        return [(images.numpy(), *(t.numpy() for t in targets)) for images, targets in islice(dataset, count)]

    whole = read(batches.Part(), 3)
    parts = [read(batches.Part(worker, 2, replicas=2), 6) for worker in range(2)]
    for step, batch in enumerate(whole):
        together = [parts[worker][2 * step + replica] for worker in range(2) for replica in range(2)]
        for field, values in enumerate(batch):
            np.testing.assert_array_equal(np.concatenate([part[field] for part in together]), values)
