from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from keras.layers import BatchNormalization

from detector_trainer.anchors import ANCHORS_PER_CELL
from detector_trainer.configuration import Configuration
from detector_trainer.errors import BadInput
from detector_trainer.model import build_detector, load_backbone_weights, load_detector, pretrained_and_new_variables

LABELS = {1: "red", 2: "green", 3: "blue"}
WEIGHTS = Path(__file__).resolve().parents[2].parent / "shared" / "weights" / "mobilenet_v2_imagenet_notop.weights.h5"


@pytest.mark.parametrize(
    ("configuration", "grids"),
    [
        (Configuration(input_size=300, width=0.35), [38, 19, 10, 5, 3]),
        (Configuration(input_size=128, width=0.35, finest_stride=16, anchor_scale=2.0), [8, 4, 2]),
        (Configuration(backbone="mobilenet_v1", width=0.75, finest_stride=16), [18, 9, 5, 3]),
        (Configuration(backbone="mobilenet_v1", input_size=128, width=0.25), [16, 8, 4, 2]),
    ],
    ids=["300 px", "stride 16", "ssd_mobilenet_v1_0.75", "MobileNetV1"],
)
def test_every_output_has_its_anchor(configuration: Configuration, grids: list[int]) -> None:
    detector = build_detector(configuration, LABELS)
    anchors = sum(grid**2 for grid in grids) * ANCHORS_PER_CELL
    assert detector.anchors.shape == (anchors, 4)
    shapes = detector.model.compute_output_shape((2, configuration.input_size, configuration.input_size, 3))
    assert shapes == {"boxes": (2, anchors, 4), "logits": (2, anchors, 3)}


def test_the_seed_decides_the_initial_weights() -> None:
    first, again, other = (build_detector(Configuration(input_size=64, width=0.35, seed=s), LABELS) for s in (1, 1, 2))
    for kernel, same in zip(first.model.get_weights(), again.model.get_weights(), strict=True):
        np.testing.assert_array_equal(kernel, same)
    assert not np.array_equal(first.model.get_weights()[0], other.model.get_weights()[0])


@pytest.mark.skipif(not WEIGHTS.is_file(), reason="../shared/weights is not beside this checkout")
def test_pretrained_weights_are_loaded_and_frozen_below_a_block() -> None:
    detector = build_detector(Configuration(input_size=64, weights=str(WEIGHTS), freeze_below=3), LABELS)
    before = detector.model.get_layer("Conv1").get_weights()[0]
    assert load_backbone_weights(detector) is None
    assert not np.array_equal(before, detector.model.get_layer("Conv1").get_weights()[0])
    trainable = {layer.name for layer in detector.model.layers if layer.trainable and layer.trainable_weights}
    assert not trainable & {"Conv1", "expanded_conv_project", "block_1_expand", "block_2_project"}
    assert trainable >= {"block_3_expand", "block_3_depthwise", "block_16_project", "Conv_1", "box_0", "class_0_bn"}
    backbone_norms = [
        layer
        for layer in detector.model.layers
        if isinstance(layer, BatchNormalization) and layer.name.startswith(("block", "bn_", "Conv_1", "expanded"))
    ]
    assert len(backbone_norms) == 52
    assert not any(layer.trainable for layer in backbone_norms)
    pretrained, new = pretrained_and_new_variables(detector)
    assert {variable.path.partition("_")[0] for variable in pretrained} == {"block", "Conv"}
    assert {variable.path.partition("_")[0] for variable in new} == {"box", "class"}  # 64 px have no coarser maps


def test_pretrained_weights_of_mobilenet_v1_are_loaded_and_frozen_below_a_block(tmp_path: Path) -> None:
    path = tmp_path / "backbone.weights.h5"
    backbone = keras.applications.MobileNet((64, 64, 3), alpha=0.25, include_top=False, weights=None)
    backbone.save_weights(path)
    configuration = Configuration(backbone="mobilenet_v1", input_size=64, width=0.25, weights=str(path), seed=5)
    detector = build_detector(configuration, LABELS)
    assert load_backbone_weights(detector) is None
    for layer in (layer for layer in backbone.layers if layer.weights):
        for ours, given in zip(detector.model.get_layer(layer.name).get_weights(), layer.get_weights(), strict=True):
            np.testing.assert_array_equal(ours, given)
    trainable = {layer.name for layer in detector.model.layers if layer.trainable and layer.trainable_weights}
    assert not trainable & {"conv1", "conv1_bn", "conv_dw_2", "conv_pw_2", "conv_dw_3_bn"}
    assert trainable >= {"conv_dw_3", "conv_pw_3", "conv_pw_13", "box_0", "class_0_bn"}
    pretrained, new = pretrained_and_new_variables(detector)
    assert {variable.path.partition("_")[0] for variable in pretrained} == {"conv"}
    assert {variable.path.partition("_")[0] for variable in new} == {"box", "class"}


def test_from_scratch_everything_is_new() -> None:
    detector = build_detector(Configuration(input_size=64, width=0.35, weights="none"), LABELS)
    pretrained, new = pretrained_and_new_variables(detector)
    assert not pretrained
    assert len(new) == len(detector.model.trainable_variables)


@pytest.mark.parametrize("width", [1.0, 0.5])
def test_weights_that_are_missing_or_do_not_fit_are_refused(tmp_path: Path, width: float) -> None:
    path = WEIGHTS if width == 0.5 and WEIGHTS.is_file() else tmp_path / "none.weights.h5"
    detector = build_detector(Configuration(input_size=64, width=width, weights=str(path)), LABELS)
    with pytest.raises(BadInput, match="cannot be loaded into MobileNetV2 of width"):
        load_backbone_weights(detector)


def test_a_folder_without_a_training_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"configuration\.json cannot be read"):
        load_detector(tmp_path)
