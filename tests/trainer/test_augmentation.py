from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from detector_trainer.augmentation import augment, mosaic
from detector_trainer.configuration import Augmentation
from detector_trainer.records import Example

NOTHING = Augmentation(mirror=False, crop=1, zoom_out=1, stretch=1, brightness=0, contrast=0, saturation=0)
GEOMETRY = Augmentation(mirror=True, crop=0.6, zoom_out=1.3, stretch=1.3, brightness=0, contrast=0, saturation=0)
BOX = (0.3, 0.5, 0.6, 0.9)


def example() -> Example:
    """A white rectangle on black, and one row of padding."""
    pixels = np.zeros((100, 100, 3), np.uint8)
    pixels[30:60, 50:90] = 255
    return Example(tf.constant(pixels), tf.constant([BOX, (0.0,) * 4]), tf.constant([2, 0]))


def test_without_options_it_only_resizes() -> None:
    image, boxes, labels = augment(example(), 64, NOTHING, tf.constant([1, 2]))
    plain = tf.image.resize(tf.cast(example().image, tf.float32), (64, 64))
    np.testing.assert_allclose(image, plain, atol=0.01)
    np.testing.assert_allclose(boxes[0], BOX, atol=1e-6)
    assert labels.numpy().tolist() == [2, 0]


@pytest.mark.parametrize("seed", range(12))
def test_boxes_follow_their_objects(seed: int) -> None:
    image, boxes, labels = augment(example(), 100, GEOMETRY, tf.constant([seed, 7]))
    assert labels.numpy().tolist() == [2, 0]
    rows, columns = np.nonzero(image.numpy()[..., 0] > 190)
    seen = [rows.min(), columns.min(), rows.max() + 1, columns.max() + 1]
    np.testing.assert_allclose(boxes[0].numpy() * 100, seen, atol=1.5)


def test_the_seed_alone_decides() -> None:
    first, again, other = (augment(example(), 64, Augmentation(), tf.constant([1, n])) for n in (5, 5, 6))
    np.testing.assert_array_equal(first.image, again.image)
    np.testing.assert_array_equal(first.boxes, again.boxes)
    assert np.abs(first.image - other.image).max() > 5


def test_an_object_that_is_mostly_cut_off_becomes_padding() -> None:
    wide = Example(example().image, tf.constant([[0.4, 0.4, 0.6, 0.6], [0.0, 0.0, 0.05, 0.05]]), tf.constant([1, 2]))
    zoom = Augmentation(mirror=False, crop=0.3, zoom_out=1, stretch=1)
    kept = [augment(wide, 64, zoom, tf.constant([seed, 0])) for seed in range(20)]
    assert any(labels.numpy().tolist() == [1, 0] for _, _, labels in kept)
    for _, boxes, labels in kept:
        assert (boxes.numpy()[labels.numpy() == 0] == 0).all()
        assert boxes.numpy().min() >= 0 and boxes.numpy().max() <= 1


@pytest.mark.parametrize("size", [64, 65])
def test_a_mosaic_shows_four_samples_of_the_batch(size: int) -> None:
    levels = (50.0, 100.0, 150.0, 200.0)
    images = tf.stack([tf.fill((size, size, 3), level) for level in levels])
    boxes, labels = tf.constant([[BOX]] * 4), tf.constant([[1], [2], [3], [4]])
    image, moved, classes = mosaic(Example(images, boxes, labels), 1.0, tf.constant([1, 2]))
    assert image.shape == (4, size, size, 3)
    assert classes[0].numpy().tolist() == [1, 4, 3, 2]
    for box, label in zip(moved[0].numpy(), classes[0].numpy(), strict=True):
        ymin, xmin, ymax, xmax = (box * size).round().astype(int)
        assert set(image[0].numpy()[ymin:ymax, xmin:xmax].round().ravel()) == {levels[label - 1]}
    np.testing.assert_allclose(moved[0, 0], np.array(BOX) / 2, atol=0.01)


def test_without_a_share_the_batch_only_gains_padding() -> None:
    batch = Example(tf.zeros((2, 64, 64, 3)), tf.constant([[BOX]] * 2), tf.constant([[1], [2]]))
    image, boxes, labels = mosaic(batch, 0.0, tf.constant([1, 2]))
    np.testing.assert_array_equal(image, batch.image)
    assert labels.numpy().tolist() == [[1, 0, 0, 0], [2, 0, 0, 0]]
    np.testing.assert_array_equal(boxes[:, :1], batch.boxes)
