"""The network's forward pass in training: what ``model(images, training=True)`` gives, for less time.

Keras writes batch norm as a handful of passes over the feature map, in training and in its gradient. Here a frozen one
is multiplied into the kernel of the convolution before it, so that it costs nothing per pixel (and TensorFlow fuses
bias and ReLU6 into the convolution), and one that learns is TensorFlow's single fused operation. Where several replicas
share a batch, it goes by the mean and variance of all of it.
"""

from __future__ import annotations

import keras
import tensorflow as tf
from keras import layers

from detector_trainer.replicas import Sum


def run_in_training(
    model: keras.Model, images: tf.Tensor, sum_over_replicas: Sum | None = None
) -> dict[str, tf.Tensor]:
    """The outputs of ``model`` for (B, S, S, 3) images; moving averages of batch norm are updated on the way."""
    tensors = {id(model.inputs[0]): images}
    folded = _frozen_after_convolution(model)
    for layer in model.layers:
        if isinstance(layer, layers.InputLayer):
            continue
        given = keras.tree.map_structure(lambda symbolic: tensors[id(symbolic)], layer.input)
        if id(layer.output) in folded:
            result = _convolve(layer, folded[id(layer.output)], given)
        elif id(layer.input) in folded:
            result = given  # this is the batch norm that the convolution has done already
        elif isinstance(layer, layers.BatchNormalization) and layer.trainable:
            result = _normalise(layer, given, sum_over_replicas)
        else:
            result = layer(given)
        tensors[id(layer.output)] = result
    return keras.tree.map_structure(lambda symbolic: tensors[id(symbolic)], model.output)


def _frozen_after_convolution(model: keras.Model) -> dict[int, layers.BatchNormalization]:
    """Frozen batch norms by the ``id`` of the symbolic tensor that they take, where a convolution makes it."""
    made = {id(layer.output) for layer in model.layers if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)}
    return {
        id(layer.input): layer
        for layer in model.layers
        if isinstance(layer, layers.BatchNormalization) and not layer.trainable and id(layer.input) in made
    }


def _convolve(
    convolution: layers.Conv2D | layers.DepthwiseConv2D, norm: layers.BatchNormalization, features: tf.Tensor
) -> tf.Tensor:
    """A convolution without bias, then a batch norm by its moving averages: a convolution with a bias."""
    scale = norm.gamma / tf.sqrt(norm.moving_variance + norm.epsilon)
    bias = norm.beta - norm.moving_mean * scale
    kernel, strides = tf.convert_to_tensor(convolution.kernel), convolution.strides
    padding = convolution.padding.upper()
    if isinstance(convolution, layers.DepthwiseConv2D):
        result = tf.nn.depthwise_conv2d(features, kernel * scale[:, None], (1, *strides, 1), padding)
    else:
        result = tf.nn.conv2d(features, kernel * scale, strides, padding)
    return tf.nn.bias_add(result, bias)


def _normalise(norm: layers.BatchNormalization, features: tf.Tensor, sum_over_replicas: Sum | None) -> tf.Tensor:
    """A batch norm by the batch's own mean and variance, which it adds to its moving averages."""
    gamma, beta = tf.convert_to_tensor(norm.gamma), tf.convert_to_tensor(norm.beta)
    if sum_over_replicas is None:
        result, mean, variance = tf.compat.v1.nn.fused_batch_norm(features, gamma, beta, epsilon=norm.epsilon)
    else:
        mean, variance, count = _moments(features, tf.convert_to_tensor(norm.moving_mean), sum_over_replicas)
        result = tf.nn.batch_normalization(features, mean, variance, beta, gamma, norm.epsilon)
        variance *= count / tf.maximum(count - 1, 1.0)  # as the fused operation has it
    for moving, value in ((norm.moving_mean, mean), (norm.moving_variance, variance)):
        moving.assign(moving * norm.momentum + tf.stop_gradient(value) * (1 - norm.momentum))
    return result


def _moments(features: tf.Tensor, near: tf.Tensor, sum_over_replicas: Sum) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Mean and variance per channel of the features of all replicas, and of how many values.

    Args:
        near: a guess of the mean, from which squares are taken: nothing is lost where the mean is far from zero.
    """
    difference = features - near
    values = tf.cast(tf.size(features) // tf.shape(features)[-1], features.dtype)
    sums = [tf.reduce_sum(difference, (0, 1, 2)), tf.reduce_sum(difference**2, (0, 1, 2)), values]
    first, second, count = sum_over_replicas(sums)
    return near + first / count, tf.maximum(second / count - (first / count) ** 2, 0.0), count
