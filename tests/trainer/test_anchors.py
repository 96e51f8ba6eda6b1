from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from detector_trainer.anchors import ANCHORS_PER_CELL, corners, decode, encode, make_anchors, match, pairwise_iou

ANCHORS = make_anchors([4, 2], [16, 32], 64, scale=2.0)


def test_cells_are_laid_row_by_row_with_square_anchors_first() -> None:
    assert ANCHORS.shape == ((16 + 4) * ANCHORS_PER_CELL, 4)
    np.testing.assert_allclose(ANCHORS[0], [0.125, 0.125, 0.5, 0.5])
    np.testing.assert_allclose(ANCHORS[ANCHORS_PER_CELL][:2], [0.125, 0.375])
    height, width = ANCHORS[1][2:]
    assert width / height == pytest.approx(2.0)


@settings(max_examples=25, deadline=None)
@given(arrays(np.float32, (6, 4), elements=st.floats(1 / 64, 31 / 64, width=32)))
def test_decode_is_the_inverse_of_encode(values: np.ndarray) -> None:
    boxes = np.concatenate([values[:, :2], values[:, :2] + values[:, 2:]], -1)
    anchors = tf.constant(ANCHORS[: len(boxes)])
    np.testing.assert_allclose(decode(encode(tf.constant(boxes), anchors), anchors), boxes, atol=1e-5)


def test_iou() -> None:
    first = tf.constant([[0.0, 0.0, 0.5, 0.5], [0.2, 0.2, 0.2, 0.6]])
    second = tf.constant([[0.0, 0.25, 0.5, 0.75], [0.6, 0.6, 1.0, 1.0], [0.0, 0.0, 0.5, 0.5]])
    np.testing.assert_allclose(pairwise_iou(first, second), [[1 / 3, 0, 1], [0, 0, 0]], atol=1e-6)


def test_each_object_has_an_anchor_and_padding_has_none() -> None:
    tiny, exact = [0.7, 0.1, 0.72, 0.12], corners(tf.constant(ANCHORS[7])).numpy().tolist()
    targets = match(tf.constant([tiny, exact, [0.0] * 4]), tf.constant([4, 2, -1]), tf.constant(ANCHORS))
    classes = targets.classes.numpy()
    assert classes[7] == 2
    assert np.count_nonzero(classes == 4) == 1, "no anchor overlaps the tiny object much, yet its best one is its own"
    assert set(classes) == {-1, 2, 4}
    assert not targets.ignored.numpy()[classes >= 0].any()
    decoded = decode(targets.boxes, tf.constant(ANCHORS)).numpy()
    np.testing.assert_allclose(decoded[classes == 4], [tiny], atol=1e-5)


def test_an_image_without_objects_is_all_background() -> None:
    targets = match(tf.zeros((2, 4)), tf.constant([-1, -1]), tf.constant(ANCHORS))
    assert set(targets.classes.numpy()) == {-1}
    assert not targets.ignored.numpy().any()
