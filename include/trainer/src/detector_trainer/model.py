"""The network: a MobileNet, feature maps of several strides, and light heads that say class and box per anchor."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keras
import numpy as np
from keras import layers

from detector_trainer.anchors import ANCHORS_PER_CELL, make_anchors
from detector_trainer.backbone import backbone_of
from detector_trainer.checkpoints import read_weights
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.label_map import read_label_map

EXTRA_CHANNELS = (256, 128)  # of the maps of stride 64 and 128
NEW_LAYERS = ("extra_", "box_", "class_")  # what the names of all layers begin with that no backbone has
BATCH_NORM_MOMENTUM = 0.9  # trainings here are hundreds of steps long; Keras's 0.999 would still hold initial values

# A head's class bias starts where a sigmoid says 1 %: most anchors see background (https://arxiv.org/abs/1708.02002).
CLASS_PRIOR_BIAS = -4.6


@dataclass(frozen=True)
class Detector:
    """A network and all that is needed to read its outputs.

    Attributes:
        model: (B, S, S, 3) float32 RGB in 0..255 → {"boxes": (B, N, 4) encoded, "logits": (B, N, classes)}.
            Scaling of the pixels is part of it. Column c of the logits is class id c + 1.
        anchors: (N, 4) float32 (centre y, centre x, height, width).
        configuration: as trained.
        label_map: class names by id, from 1.
    """

    model: keras.Model
    anchors: np.ndarray
    configuration: Configuration
    label_map: dict[int, str]


def build_detector(configuration: Configuration, label_map: dict[int, str]) -> Detector:
    """A detector with random weights, drawn with the configuration's seed."""
    keras.utils.set_random_seed(configuration.seed)
    size = configuration.input_size
    image = keras.Input((size, size, 3), name="image")
    pixels = layers.Rescaling(1 / 127.5, offset=-1, name="rescaling")(image)
    features = backbone_of(configuration).features
    backbone = backbone_of(configuration).build(configuration, input_tensor=pixels)
    strides = [stride for stride in features if stride >= configuration.finest_stride]
    maps = [backbone.get_layer(features[stride]).output for stride in strides]
    maps = _with_coarser_maps(maps, configuration)
    boxes, logits = _heads(maps, len(label_map))
    model = keras.Model(image, {"boxes": boxes, "logits": logits}, name=f"ssdlite_{configuration.backbone}")
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = BATCH_NORM_MOMENTUM
    strides = [configuration.finest_stride * 2**level for level in range(len(maps))]
    anchors = make_anchors([map_.shape[1] for map_ in maps], strides, size, configuration.anchor_scale)
    return Detector(model, anchors, configuration, label_map)


def load_detector(output: Path, which: Literal["best", "last"] = "best") -> Detector:
    """The detector that a training left in its output folder, with the running average of its weights.

    Raises:
        BadInput: the folder holds no (complete) training.
    """
    configuration = Configuration.read(output / "configuration.json")
    detector = build_detector(configuration, read_label_map(output / "label_map.pbtxt"))
    detector.model.set_weights(read_weights(output, which))
    return detector


def load_backbone_weights(detector: Detector) -> str | None:
    """Give the backbone its pretrained weights and freeze what the configuration says.

    Returns:
        A warning, when ImageNet's could not be downloaded and training therefore starts from nothing; else None.

    Raises:
        BadInput: a weights file is missing or does not fit.
    """
    configuration, width = detector.configuration, detector.configuration.width
    backbone = backbone_of(configuration)
    if configuration.weights == "none":
        return None
    if configuration.weights == "imagenet":
        try:
            pretrained = backbone.build(configuration, weights="imagenet")
        except ValueError as error:
            raise BadInput(
                f"Configuration: no ImageNet weights for {backbone.title} of width {width}: {error}"
            ) from error
        except Exception as error:  # Keras wraps what urllib raises in a plain Exception
            return (
                f"Training from scratch: ImageNet weights could not be downloaded ({error}). On small sets this costs "
                "most of the accuracy (on 296 images in 6 classes mAP50 was 0.17 instead of 0.60). "
                'Give the path of a weights file as "weights", or train where there is network.'
            )
    else:
        pretrained = backbone.build(configuration)
        try:
            pretrained.load_weights(configuration.weights)
        except (OSError, ValueError) as error:
            raise BadInput(
                f"Configuration: weights {configuration.weights!r} cannot be loaded into {backbone.title} of width "
                f"{width} without its top: {error}"
            ) from error
    for source in pretrained.layers:
        if source.weights:
            layer = detector.model.get_layer(source.name)
            layer.set_weights(source.get_weights())
            is_batch_norm = isinstance(layer, layers.BatchNormalization)
            layer.trainable = not is_batch_norm and backbone.block(layer.name) >= configuration.freeze_below
    return None


def pretrained_and_new_variables(detector: Detector) -> tuple[list[keras.Variable], list[keras.Variable]]:
    """The variables that are trained: those that came with ImageNet's weights (maybe none), and those drawn anew."""
    parts: tuple[list[keras.Variable], list[keras.Variable]] = ([], [])
    for layer in detector.model.layers:
        is_new = detector.configuration.weights == "none" or layer.name.startswith(NEW_LAYERS)
        parts[is_new].extend(layer.trainable_variables)
    return parts


def _with_coarser_maps(maps: Sequence[keras.KerasTensor], configuration: Configuration) -> list[keras.KerasTensor]:
    """The backbone's maps, and coarser ones until a cell's anchors span the image."""
    maps = list(maps)
    for channels in EXTRA_CHANNELS:
        stride = configuration.finest_stride * 2 ** (len(maps) - 1)
        if configuration.anchor_scale * stride >= configuration.input_size or maps[-1].shape[1] == 1:
            break
        name = f"extra_{stride * 2}"
        squeezed = _convolution(maps[-1], channels // 2, f"{name}_squeeze")
        maps.append(_separable(squeezed, channels, name, strides=2))
    return maps


def _heads(maps: Sequence[keras.KerasTensor], classes: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    """(B, N, 4) encoded boxes and (B, N, classes) logits of all cells' anchors, in the order of ``make_anchors``."""
    boxes: list[keras.KerasTensor] = []
    logits: list[keras.KerasTensor] = []
    for level, features in enumerate(maps):
        for outputs, channels, name, bias in (
            (boxes, 4, f"box_{level}", 0.0),
            (logits, classes, f"class_{level}", CLASS_PRIOR_BIAS),
        ):
            head = layers.DepthwiseConv2D(3, padding="same", use_bias=False, name=f"{name}_depthwise")(features)
            head = layers.BatchNormalization(name=f"{name}_bn")(head)
            head = layers.ReLU(6, name=f"{name}_relu")(head)
            head = layers.Conv2D(
                ANCHORS_PER_CELL * channels, 1, bias_initializer=keras.initializers.Constant(bias), name=name
            )(head)
            outputs.append(layers.Reshape((-1, channels), name=f"{name}_flat")(head))
    return layers.Concatenate(1, name="boxes")(boxes), layers.Concatenate(1, name="logits")(logits)


def _convolution(features: keras.KerasTensor, channels: int, name: str) -> keras.KerasTensor:
    features = layers.Conv2D(channels, 1, use_bias=False, name=f"{name}_conv")(features)
    return layers.ReLU(6, name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(features))


def _separable(features: keras.KerasTensor, channels: int, name: str, strides: int = 1) -> keras.KerasTensor:
    """A depthwise 3 x 3 and a pointwise convolution, each with batch norm and ReLU6."""
    features = layers.DepthwiseConv2D(3, strides, "same", use_bias=False, name=f"{name}_depthwise")(features)
    features = layers.ReLU(6, name=f"{name}_depthwise_relu")(
        layers.BatchNormalization(name=f"{name}_depthwise_bn")(features)
    )
    return _convolution(features, channels, name)
