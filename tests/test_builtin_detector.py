"""The hyperparameters of SageMaker's built-in detector, as lanner.yaml has them and as the service wants them."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from include.builtin_detector import FROM_THE_DATA, PRESETS, BuiltinConfiguration, hyperparameters, is_piped
from include.checks.aws.hyperparameters import HYPERPARAMETERS

# The book's chapter, "Object Detection - MXNet" in SageMaker's console.
CHAPTER = {
    "base_network": "resnet-50",
    "epochs": "30",
    "image_shape": "300",
    "mini_batch_size": "12",
    "learning_rate": "0.001",
    "momentum": "0.9",
    "weight_decay": "0.0005",
    "overlap_threshold": "0.5",
    "nms_threshold": "0.45",
    "optimizer": "sgd",
    "use_pretrained_model": "1",
    "early_stopping": "false",
    "early_stopping_min_epochs": "10",
    "early_stopping_patience": "5",
    "early_stopping_tolerance": "0.0",
    "lr_scheduler_factor": "0.1",
    "freeze_layer_pattern": "false",
}


def test_the_default_is_the_chapters_table() -> None:
    assert hyperparameters(BuiltinConfiguration.preset("default").to_json(), {}) == CHAPTER


def test_every_documented_one_is_there_or_decided_otherwise() -> None:
    """``kv_store`` is for several machines, which no preset has."""
    fields = {field.name for field in dataclasses.fields(BuiltinConfiguration)} - {"input_mode"}
    assert fields | FROM_THE_DATA | {"kv_store"} == HYPERPARAMETERS.keys()


@pytest.mark.parametrize("preset", PRESETS)
def test_what_is_sent_is_in_the_documented_ranges(preset: str) -> None:
    from_the_data = {"num_classes": 3, "num_training_samples": 20, "label_width": 350}
    sent = hyperparameters(BuiltinConfiguration.preset(preset).to_json(), from_the_data)
    assert {name: text for name, text in sent.items() if not HYPERPARAMETERS[name].is_good(text)} == {}
    assert sent["num_classes"] == "3"


def test_how_the_data_come_is_no_hyperparameter_and_changes_no_name_where_it_is_as_ever() -> None:
    usual, piped = BuiltinConfiguration(), BuiltinConfiguration().replace(input_mode="Pipe")
    assert usual.to_json().keys() == CHAPTER.keys() | {"lr_scheduler_step"}
    assert piped.to_json() == usual.to_json() | {"input_mode": "Pipe"}
    assert [is_piped(each.to_json()) for each in (usual, piped)] == [False, True]
    assert hyperparameters(piped.to_json(), {}) == CHAPTER


def test_what_yaml_makes_of_values_changes_nothing() -> None:
    given = BuiltinConfiguration().replace(freeze_layer_pattern=False, lr_scheduler_step=10, momentum=1)
    assert given == BuiltinConfiguration(freeze_layer_pattern="false", lr_scheduler_step="10", momentum=1.0)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("base_network", "resnet-18"),
        ("epochs", 0),
        ("epochs", True),
        ("epochs", 2.5),
        ("image_shape", 299),
        ("mini_batch_size", "12"),
        ("learning_rate", 0),
        ("momentum", 1.01),
        ("weight_decay", 1),
        ("lr_scheduler_factor", 1.0),
        ("lr_scheduler_step", "10;20"),
        ("overlap_threshold", float("nan")),
        ("nms_threshold", None),
        ("optimizer", "adamw"),
        ("use_pretrained_model", 2),
        ("early_stopping", "no"),
        ("early_stopping", 1),
        ("early_stopping_tolerance", -0.1),
        ("freeze_layer_pattern", "("),
        ("freeze_layer_pattern", ["conv"]),
        ("input_mode", "FastFile"),
    ],
)
def test_a_value_out_of_range_is_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"^{name} is .*; it must be "):
        BuiltinConfiguration().replace(**{name: value})


def test_there_is_no_other_preset() -> None:
    with pytest.raises(ValueError, match="no preset 'fast'; there are default, sample"):
        BuiltinConfiguration.preset("fast")
