from __future__ import annotations

import json

import pytest

from include.scoring.holdout import HoldOut, HoldOutMismatch
from tests.toy_collection import HEIGHT, WIDTH, make_images, write_coco, write_shard


def test_images_are_joined_to_their_truth_by_hash_whatever_the_order(tmp_path):
    images = make_images(5, seed=1)
    shards = [write_shard(tmp_path / "b.tfrecord", images[3:]), write_shard(tmp_path / "a.tfrecord", images[2::-1])]
    holdout = HoldOut(shards, write_coco(tmp_path / "coco.json", images))

    read = {image.id: image for image in holdout}
    assert len(read) == len(holdout) == 5
    for id_, image in enumerate(images, start=1):
        assert read[id_].encoded == image.encoded
        assert read[id_].boxes.tolist() == [list(map(float, box)) for box in image.boxes]
        assert read[id_].classes.tolist() == list(image.classes)
        assert (read[id_].width, read[id_].height) == (WIDTH, HEIGHT)


def test_crowds_are_no_truth_to_be_found(tmp_path):
    images = make_images(1, seed=1)
    path = write_coco(tmp_path / "coco.json", images)
    coco = json.loads(path.read_text())
    coco["annotations"][0]["iscrowd"] = 1
    path.write_text(json.dumps(coco))
    (image,) = HoldOut([write_shard(tmp_path / "a.tfrecord", images)], path)
    assert image.boxes.shape == (0, 4)


def test_a_forgotten_shard_is_noticed(tmp_path):
    images = make_images(3, seed=1)
    holdout = HoldOut([write_shard(tmp_path / "a.tfrecord", images[:2])], write_coco(tmp_path / "coco.json", images))
    with pytest.raises(HoldOutMismatch, match=rf"1 of the 3 images .* {images[2].sha256}"):
        list(holdout)


def test_an_image_of_another_side_is_noticed(tmp_path):
    images = make_images(3, seed=1)
    holdout = HoldOut([write_shard(tmp_path / "a.tfrecord", images)], write_coco(tmp_path / "coco.json", images[:2]))
    with pytest.raises(HoldOutMismatch, match=images[2].sha256):
        list(holdout)
