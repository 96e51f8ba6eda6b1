from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from detector_trainer.errors import BadInput
from detector_trainer.records import decode_and_resize, find_shards, read_annotations

LABELS = {1: "red", 2: "green"}
PIXELS = np.random.default_rng(1).integers(0, 255, (40, 60, 3)).astype(np.uint8)
BOX = (0.1, 0.2, 0.5, 0.9)


def test_reads_boxes_labels_and_sizes_in_the_order_of_the_shards(data: Path) -> None:
    annotations = read_annotations(find_shards(data, "train"), LABELS)
    assert len(annotations) == 10
    assert all(annotation.boxes.shape == (1, 4) and annotation.boxes.dtype == np.float32 for annotation in annotations)
    assert {int(annotation.labels[0]) for annotation in annotations} == {1, 2}
    assert (annotations[0].height, annotations[0].width) == (80, 80)


def test_an_image_may_have_no_object(
    tmp_path: Path, encode_record: Callable[..., bytes], write_shard: Callable[..., Path]
) -> None:
    shard = write_shard(tmp_path / "a.tfrecord", [encode_record(PIXELS, [], []), encode_record(PIXELS, [BOX], [1])])
    assert [len(annotation.labels) for annotation in read_annotations([shard], LABELS)] == [0, 1]


@pytest.mark.parametrize(
    ("boxes", "labels", "said"),
    [
        ([BOX], [3], "a.tfrecord, record 1 (page.jpg): image/object/class/label [3] not in label_map.pbtxt"),
        ([BOX], [1, 2], "image/object/class/label has 2 values, the bbox lists [1, 1, 1, 1]"),
        ([(0.5, 0.2, 0.5, 0.9)], [1], "record 1 (page.jpg): image/object/bbox ymin=0.5 xmin=0.2 ymax=0.5 xmax=0.9"),
        ([(0.1, 0.2, 50.0, 90.0)], [1], "expected shares of the image's sides"),
        ([(0.1, 0.2, float("nan"), 0.9)], [1], "expected shares of the image's sides"),
        ([], [], "have no box at all"),
    ],
)
def test_what_cannot_be_trained_on_is_named(
    tmp_path: Path,
    encode_record: Callable[..., bytes],
    write_shard: Callable[..., Path],
    boxes: list[tuple[float, ...]],
    labels: list[int],
    said: str,
) -> None:
    shard = write_shard(tmp_path / "a.tfrecord", [encode_record(PIXELS, boxes, labels, name="page.jpg")])
    with pytest.raises(BadInput) as caught:
        read_annotations([shard], LABELS)
    assert said in str(caught.value)


def test_a_damaged_shard_is_named(data: Path, tmp_path: Path) -> None:
    content = (data / "train" / "a.tfrecord").read_bytes()
    for name, damaged in (("cut", content[:-20]), ("flipped", content[:3000] + b"\0\1\2\3" + content[3004:])):
        shard = tmp_path / f"{name}.tfrecord"
        shard.write_bytes(damaged)
        with pytest.raises(BadInput, match=rf"{name}.tfrecord cannot be read after record \d"):
            read_annotations([shard], LABELS)


def test_a_record_without_an_image_is_refused(tmp_path: Path, write_shard: Callable[..., Path]) -> None:
    shard = write_shard(tmp_path / "a.tfrecord", [tf.train.Example().SerializeToString()])
    with pytest.raises(BadInput, match="cannot be read after record 0"):
        read_annotations([shard], LABELS)


def test_a_side_without_shards_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"train holds no \*\.tfrecord"):
        find_shards(tmp_path, "train")


@pytest.mark.parametrize("encode", [tf.io.encode_jpeg, tf.io.encode_png])
@pytest.mark.parametrize("channels", [1, 3])
def test_all_kinds_of_images_become_rgb_of_one_size(encode: Callable[..., tf.Tensor], channels: int) -> None:
    image = decode_and_resize(encode(PIXELS[..., :channels]), 32)
    assert image.shape == (32, 32, 3)
    assert image.dtype == tf.float32
    assert 50 < float(tf.reduce_mean(image)) < 200, "pixels are in 0..255"
    if channels == 1:
        np.testing.assert_array_equal(image[..., 0], image[..., 2])


def test_transparency_is_dropped() -> None:
    pixels = np.dstack([PIXELS, np.zeros((40, 60), np.uint8)])
    opaque, transparent = (decode_and_resize(tf.io.encode_png(p), 32) for p in (PIXELS, pixels))
    np.testing.assert_array_equal(opaque, transparent)
