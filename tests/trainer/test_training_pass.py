from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from keras.layers import BatchNormalization

from detector_trainer.configuration import Configuration
from detector_trainer.model import build_detector
from detector_trainer.training_pass import run_in_training

IMAGES = tf.constant(np.random.default_rng(3).uniform(0, 255, (4, 64, 64, 3)).astype(np.float32))


@pytest.mark.parametrize(
    ("backbone", "frozen"),
    [("mobilenet_v2", 52), ("mobilenet_v2", 0), ("mobilenet_v1", 27)],
    ids=["frozen batch norm", "learning batch norm", "MobileNetV1"],
)
def test_it_gives_what_keras_gives(backbone: str, frozen: int) -> None:
    """Outputs, gradients and moving averages."""
    answers = []
    for run in (lambda model, images: model(images, training=True), run_in_training):
        model = build_detector(
            Configuration(backbone=backbone, input_size=64, width=0.35, weights="none"), {1: "red", 2: "blue"}
        ).model
        norms = [layer for layer in model.layers if isinstance(layer, BatchNormalization)]
        for number, norm in enumerate(norms):
            norm.moving_mean.assign(norm.moving_mean + 0.01 * number)  # so that folding has something to do
            norm.moving_variance.assign(norm.moving_variance * (1 + 0.01 * number))
            norm.trainable = not (frozen and norm.name.startswith(("block", "bn_", "Conv", "expanded", "conv")))
        with tf.GradientTape() as tape:
            outputs = run(model, IMAGES)
            loss = tf.reduce_mean(outputs["boxes"] ** 2) + tf.reduce_mean(outputs["logits"] ** 2)
        gradients = tape.gradient(loss, model.trainable_variables)
        moving = [value.numpy() for norm in norms for value in (norm.moving_mean, norm.moving_variance)]
        answers.append((outputs, gradients, moving, norms))
    (theirs, their_gradients, their_moving, _), (ours, our_gradients, our_moving, norms) = answers
    for name in ("boxes", "logits"):
        np.testing.assert_allclose(ours[name], theirs[name], atol=2e-3)
    for our, their in zip(our_gradients, their_gradients, strict=True):
        assert tf.norm(our - their) <= 0.05 * tf.norm(their) + 1e-6
    for our, their in zip(our_moving, their_moving, strict=True):
        # The fused operation divides the variance by n - 1, Keras by n: the coarsest map has 4 x 1 x 1 values.
        np.testing.assert_allclose(our, their, rtol=0.04, atol=1e-3)
    assert sum(not norm.trainable for norm in norms) == frozen
