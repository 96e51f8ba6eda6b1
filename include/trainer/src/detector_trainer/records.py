"""Reading TFRecord shards: what the trainer's input looks like, and the one way to turn a file into pixels."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from detector_trainer.errors import BadInput

# The TF Object Detection API's keys; boxes are shares of the image's sides.
# https://github.com/tensorflow/models/blob/master/research/object_detection/g3doc/using_your_own_dataset.md
_BOX_KEYS = tuple(f"image/object/bbox/{edge}" for edge in ("ymin", "xmin", "ymax", "xmax"))
_LABEL_KEY = "image/object/class/label"
_ANNOTATION = {
    "image/filename": tf.io.FixedLenFeature([], tf.string, ""),
    "image/height": tf.io.FixedLenFeature([], tf.int64),
    "image/width": tf.io.FixedLenFeature([], tf.int64),
    **{key: tf.io.RaggedFeature(tf.float32, row_splits_dtype=tf.int64) for key in _BOX_KEYS},
    _LABEL_KEY: tf.io.RaggedFeature(tf.int64, row_splits_dtype=tf.int64),
}
_ENCODED = {"image/encoded": tf.io.FixedLenFeature([], tf.string)}
_READ_BUFFER = 1 << 20  # bytes
AT_ONCE = min(os.cpu_count() or 1, 16)  # images of which a stage of a pipeline makes something


@dataclass(frozen=True)
class Annotation:
    """The objects of one image: (G, 4) float32 boxes (ymin, xmin, ymax, xmax) in 0..1, (G,) int32 class ids from 1."""

    boxes: np.ndarray
    labels: np.ndarray
    height: int  # pixels
    width: int  # pixels
    source: str = ""  # shard, record and file name, for error messages


class Example(NamedTuple):
    """One image with its objects; ``labels`` are class ids from 1, and padding has label 0."""

    image: tf.Tensor  # (S, S, 3) uint8, or float32 in 0..255 after augmentation
    boxes: tf.Tensor  # (G, 4) float32 (ymin, xmin, ymax, xmax) in 0..1
    labels: tf.Tensor  # (G,) int32


def find_shards(data: Path, side: str) -> list[Path]:
    """The shards of one side ("train", "validation") in the order of their names.

    Raises:
        BadInput: there are none.
    """
    shards = sorted((data / side).glob("*.tfrecord"))
    if not shards:
        raise BadInput(f"{data / side} holds no *.tfrecord. Is --data right, and has this side any images?")
    return shards


def read_annotations(shards: Sequence[Path], label_map: dict[int, str]) -> list[Annotation]:
    """The objects of all images, in the order of the shards; every record is read and checked on the way.

    Raises:
        BadInput: a shard is damaged, a record lacks a feature, its lists differ in length, a label is not in the
            label map, a box lies outside the image or has no area, or there is no box at all.
    """
    annotations = []
    for shard in shards:
        for number, record in enumerate(_records(shard), start=1):
            where = f"{shard.name}, record {number} ({record['image/filename'].decode(errors='replace') or 'no name'})"
            annotations.append(_annotation(record, label_map, where))
    if not any(len(annotation.labels) for annotation in annotations):
        side = shards[0].parent.name
        raise BadInput(f"The {len(annotations)} images of {side}/ have no box at all; there is nothing to learn.")
    return annotations


def _records(shard: Path) -> Iterator[dict[str, Any]]:
    """All features of a shard's records but the image; a damaged one ends it with ``BadInput``."""

    def parse(record: tf.Tensor) -> dict[str, tf.Tensor]:
        features = tf.io.parse_single_example(record, _ANNOTATION | _ENCODED)
        return {key: features[key] for key in _ANNOTATION}

    records, read = tf.data.TFRecordDataset(str(shard), buffer_size=_READ_BUFFER), 0
    try:
        for record in untuned(records.map(parse)).as_numpy_iterator():
            yield record
            read += 1
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError) as error:
        raise BadInput(
            f"{shard.name} cannot be read after record {read} ({error.message.splitlines()[0]}). "
            "Convert that shard again, and check that it was copied completely."
        ) from error


def _annotation(record: dict[str, Any], label_map: dict[int, str], where: str) -> Annotation:
    edges, labels = [record[key] for key in _BOX_KEYS], record[_LABEL_KEY]
    if any(len(edge) != len(labels) for edge in edges):
        raise BadInput(f"{where}: {_LABEL_KEY} has {len(labels)} values, the bbox lists {[len(e) for e in edges]}.")
    boxes = np.stack(edges, -1).astype(np.float32)
    unknown = sorted({int(label) for label in labels} - set(label_map))
    if unknown:
        raise BadInput(f"{where}: {_LABEL_KEY} {unknown} not in label_map.pbtxt, which has 1 to {len(label_map)}.")
    inside = np.isfinite(boxes).all(-1) & (boxes >= -1e-3).all(-1) & (boxes <= 1 + 1e-3).all(-1)
    sound = inside & (boxes[:, 2:] > boxes[:, :2]).all(-1)
    if not sound.all():
        ymin, xmin, ymax, xmax = boxes[~sound][0]
        raise BadInput(
            f"{where}: image/object/bbox ymin={ymin:g} xmin={xmin:g} ymax={ymax:g} xmax={xmax:g}; "
            "expected shares of the image's sides, min < max, all in 0..1."
        )
    height, width = int(record["image/height"]), int(record["image/width"])
    return Annotation(boxes.clip(0, 1), labels.astype(np.int32), height, width, where)


def decode_and_resize(encoded: tf.Tensor, size: int) -> tf.Tensor:
    """Encoded bytes of one image → (size, size, 3) float32 RGB in 0..255.

    JPEG, PNG, BMP and the first frame of a GIF; grey becomes three equal channels, transparency is dropped. Resized
    bilinearly without keeping the aspect ratio. EXIF's orientation is not applied: boxes refer to pixels as stored.
    Training, validation, serving and scoring all see images through this function.
    """
    image = tf.io.decode_image(encoded, channels=3, expand_animations=False)
    image = tf.image.resize(image, (size, size))
    return tf.ensure_shape(image, (size, size, 3))


def parse_example(record: tf.Tensor, size: int) -> Example:
    """One serialised record as float32 image of ``size`` and as many objects as it has."""
    features = tf.io.parse_single_example(record, _ANNOTATION | _ENCODED)
    return Example(
        decode_and_resize(features["image/encoded"], size),
        tf.clip_by_value(tf.stack([features[key] for key in _BOX_KEYS], -1), 0.0, 1.0),
        tf.cast(features[_LABEL_KEY], tf.int32),
    )


def read_records(paths: tf.data.Dataset) -> tf.data.Dataset:
    """Serialised records of shards, shard after shard."""
    return paths.flat_map(lambda path: tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER))


def untuned(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """A pipeline without the thread that tunes it, for which its end would have to wait.

    ``Model::OptimizeLoop`` of TensorFlow is woken before it can see that it was cancelled. It may then sleep again for
    its period, which doubles from 10 ms to a minute: of twenty pipelines 25 s old, six took 16 to 60 s to be let go of.
    """
    options = tf.data.Options()
    options.autotune.enabled = False
    return dataset.with_options(options)


def decoded(examples: tf.data.Dataset, annotations: Sequence[Annotation]) -> Iterator[Example]:
    """Examples as arrays, in the order of the annotations; ``BadInput`` names an image that cannot be decoded."""
    done = 0
    try:
        for example in untuned(examples).as_numpy_iterator():
            yield example
            done += 1
    except tf.errors.InvalidArgumentError as error:
        raise BadInput(
            f"{annotations[done].source}: image/encoded cannot be decoded ({error.message.splitlines()[0]}). "
            "Expected JPEG, PNG, BMP or GIF; take the image out of the data set."
        ) from error
