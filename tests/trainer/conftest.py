"""A tiny collection for the trainer: bright rectangles in two colours on dark noise, as TFRecord shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from detector_trainer.configuration import Configuration

STEPS = 12
TINY = Configuration(
    input_size=64,
    width=0.1,
    weights="none",
    finest_stride=16,
    anchor_scale=2.0,
    steps=STEPS,
    batch_size=2,
    warmup_steps=2,
    evaluate_every=6,
    checkpoint_every=1,
    learning_rate=3e-3,
)
LABEL_MAP = "item {\n  id: 1\n  name: 'red'\n}\nitem {\n  id: 2\n  name: 'green'\n}\n"


def encode_record(
    pixels: np.ndarray, boxes: list[tuple[float, ...]], labels: list[int], *, name: str = "", png: bool = False
) -> bytes:
    """One ``tf.train.Example`` with the features that the trainer reads. Boxes are ymin, xmin, ymax, xmax in 0..1."""
    import tensorflow as tf

    def floats(values: list[float]) -> tf.train.Feature:
        return tf.train.Feature(float_list=tf.train.FloatList(value=values))

    def integers(values: list[int]) -> tf.train.Feature:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=values))

    def text(value: bytes) -> tf.train.Feature:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))

    encoded = (tf.io.encode_png if png else tf.io.encode_jpeg)(pixels).numpy()
    features = {
        "image/height": integers([pixels.shape[0]]),
        "image/width": integers([pixels.shape[1]]),
        "image/filename": text(name.encode()),
        "image/encoded": text(encoded),
        "image/object/class/label": integers(labels),
    }
    for edge, values in zip(("ymin", "xmin", "ymax", "xmax"), np.reshape(boxes, (-1, 4)).T, strict=True):
        features[f"image/object/bbox/{edge}"] = floats(list(values))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def draw(rng: np.random.Generator, side: int = 80) -> tuple[np.ndarray, list[tuple[float, ...]], list[int]]:
    """A picture of one rectangle, with its box and class id."""
    pixels = rng.integers(0, 60, (side, side, 3)).astype(np.uint8)
    height, width = rng.integers(20, 40, 2)
    top, left = (int(rng.integers(0, side - extent)) for extent in (height, width))
    label = int(rng.integers(1, 3))
    pixels[top : top + height, left : left + width, label - 1] = 230
    return pixels, [(top / side, left / side, (top + height) / side, (left + width) / side)], [label]


def write_shard(path: Path, records: list[bytes]) -> Path:
    import tensorflow as tf

    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)
    return path


@pytest.fixture(name="encode_record")
def _encode_record() -> Callable[..., bytes]:
    return encode_record


@pytest.fixture(name="write_shard")
def _write_shard() -> Callable[..., Path]:
    return write_shard


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data folder: 10 training images in two shards, 4 for validation."""
    folder = tmp_path_factory.mktemp("rectangles")
    rng = np.random.default_rng(5)
    for shard, count in (("train/a", 6), ("train/b", 4), ("validation/a", 4)):
        records = [encode_record(*draw(rng), name=f"{shard}-{number}.jpg") for number in range(count)]
        write_shard(folder / f"{shard}.tfrecord", records)
    (folder / "label_map.pbtxt").write_text(LABEL_MAP)
    return folder
