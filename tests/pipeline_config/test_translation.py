"""What of a pipeline.config becomes the trainer's configuration, and that nothing is passed over silently."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from detector_trainer.configuration import Configuration
from include.pipeline_config.augmentation import NONE
from include.pipeline_config.text_format import Message, TextFormatError, parse
from include.pipeline_config.translation import Translation, read_pipeline_config, translate

HERE = Path(__file__).parent


def of(text: str, **options: Any) -> Translation:
    return translate(parse(text, "p.config"), "p.config", **options)


def training(text: str) -> Translation:
    return of("model { ssd {} } train_config { " + text + " }")


def augmentation(*steps: str) -> dict[str, Any]:
    """What differs from no augmentation at all."""
    options = " ".join(f"data_augmentation_options {{ {step} }}" for step in steps)
    found = training(f"batch_size: 8 {options}").configuration["augmentation"]
    return {name: value for name, value in found.items() if value != NONE[name]}


def reasons(translation: Translation) -> dict[str, str]:
    return {left.path: left.reason for left in translation.left}


def test_mobilenet_v1() -> None:
    found = read_pipeline_config(HERE / "mobilenet_v1_quantized.config", classes=36)
    assert found.configuration == {
        "input_size": 300,
        "backbone": "mobilenet_v1",
        "width": 0.75,
        "score_threshold": 0.0001,
        "iou_threshold": 0.6,
        "batch_size": 128,
        "steps": 2000,
        "warmup_steps": 100,
        "augmentation": {**NONE, "mirror": True, "crop": 0.3162, "stretch": 2.0},
    }
    left = reasons(found)
    assert "which are 36; is it the data" in left["model.ssd.num_classes"]
    rate = "train_config.optimizer.momentum_optimizer.learning_rate.cosine_decay_learning_rate.learning_rate_base"
    assert "far too high for the trainer's AdamW" in left[rate]
    assert "DATA=" in left["train_input_reader.tf_record_input_reader.input_path"]
    assert "DATA=" in left["train_input_reader.label_map_path"]
    assert "WEIGHTS=" in left["train_config.fine_tune_checkpoint"]
    assert "int8" in left["graph_rewriter.quantization.delay"]
    assert "multiples of 8" in left["model.ssd.feature_extractor.min_depth"]
    assert left["model.ssd.inplace_batchnorm_update"] == "the trainer has nothing that corresponds to it"


def test_another_backbone_is_left_with_its_width() -> None:
    found = of("model { ssd { feature_extractor { type: 'ssd_resnet50_v1_fpn' depth_multiplier: 0.5 } } }")
    left = reasons(found)
    assert found.configuration == {}
    assert "MobileNetV1 and MobileNetV2" in left["model.ssd.feature_extractor.type"]
    assert "the width of ssd_resnet50_v1_fpn" in left["model.ssd.feature_extractor.depth_multiplier"]


def test_ssdlite_mobilenet_v2() -> None:
    found = read_pipeline_config(HERE / "ssdlite_mobilenet_v2.config", classes=90)
    assert found.configuration == {
        "input_size": 300,
        "backbone": "mobilenet_v2",
        "width": 1.0,
        "score_threshold": 0.3,
        "iou_threshold": 0.6,
        "batch_size": 24,
        "steps": 200000,
        "learning_rate": 0.004,
        "augmentation": {**NONE, "mirror": True},
    }
    assert "which are 90, too" in reasons(found)["model.ssd.num_classes"]


def test_mobilenet_v2_fpnlite() -> None:
    found = read_pipeline_config(HERE / "mobilenet_v2_fpnlite.config")
    assert found.configuration == {
        "input_size": 320,
        "backbone": "mobilenet_v2",
        "width": 1.0,
        "anchor_scale": 4.0,
        "finest_stride": 8,
        "batch_size": 64,
        "steps": 50000,
        "learning_rate": 0.003,
        "warmup_steps": 1000,
        "augmentation": {**NONE, "mirror": True, "crop": 0.866, "stretch": 3.0},
    }
    assert "not compared" in reasons(found)["model.ssd.num_classes"]
    assert (
        "no object has to be covered"
        in reasons(found)["train_config.data_augmentation_options[1].random_crop_image.min_object_covered"]
    )


@pytest.mark.parametrize("file", sorted(HERE.glob("*.config")), ids=lambda file: file.stem)
def test_every_value_is_taken_or_left_once_and_the_trainer_takes_the_result(file: Path) -> None:
    def leaves(message: Message) -> int:
        inner = [field.value for field in message.fields]
        return sum(leaves(value) if isinstance(value, Message) and value.fields else 1 for value in inner)

    found = read_pipeline_config(file)
    taken = {taken.path for taken in found.taken}
    left = [left.path for left in found.left]
    assert len(left) == len(set(left))
    assert not taken & set(left)
    assert len(taken) + len(left) == leaves(parse(file.read_text()))
    configuration = Configuration.preset("default").replace(**found.configuration)
    assert Configuration.from_json(configuration.to_json()) == configuration


STEPS = "schedule { step: 500 learning_rate: 0.1 } schedule { step: 900 learning_rate: 0.001 }"


@pytest.mark.parametrize(
    ("optimizer", "schedule", "rate", "warmup"),
    [
        ("adam", "constant_learning_rate { learning_rate: 0.001 }", 0.001, None),
        ("adam", "constant_learning_rate {}", 0.002, None),
        ("rms_prop", "exponential_decay_learning_rate { initial_learning_rate: 0.01 }", 0.01, None),
        ("adam", "cosine_decay_learning_rate { learning_rate_base: 0.01 warmup_steps: 9 }", 0.01, 9),
        ("adam", f"manual_step_learning_rate {{ initial_learning_rate: 0.01 {STEPS} }}", 0.01, None),
        ("adam", f"manual_step_learning_rate {{ initial_learning_rate: 0.01 warmup: true {STEPS} }}", 0.1, 500),
        ("momentum", "cosine_decay_learning_rate { learning_rate_base: 1 warmup_steps: 9 }", None, 9),
        ("momentum", "constant_learning_rate {}", None, None),
        ("adam", "", None, None),
    ],
)
def test_takes_the_peak_of_the_learning_rate(
    optimizer: str, schedule: str, rate: float | None, warmup: int | None
) -> None:
    text = f"num_steps: 1000 optimizer {{ {optimizer}_optimizer {{ learning_rate {{ {schedule} }} }} }}"
    found = training(text).configuration
    assert (found.get("learning_rate"), found.get("warmup_steps")) == (rate, warmup)


@pytest.mark.parametrize("optimizer", ["adam_optimizer {}", "use_moving_average: false"])
def test_without_a_learning_rate_the_presets_stays(optimizer: str) -> None:
    assert "learning_rate" not in training(f"optimizer {{ {optimizer} }}").configuration


def test_a_warm_up_longer_than_the_training_is_left() -> None:
    cosine = "cosine_decay_learning_rate { warmup_steps: 100 }"
    found = training(f"num_steps: 100 optimizer {{ adam_optimizer {{ learning_rate {{ {cosine} }} }} }}")
    assert "warmup_steps" not in found.configuration
    assert any("longer than all 100 steps" in left.reason for left in found.left)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ([], {}),
        (["random_horizontal_flip {}"], {"mirror": True}),
        (["random_crop_image {}"], {"crop": 0.3162, "stretch": 1.3333}),
        (["ssd_random_crop { operations { min_area: 0.25 min_aspect_ratio: 1 max_aspect_ratio: 1 } }"], {"crop": 0.5}),
        (["ssd_random_crop { operations { min_area: 0.25 } operations { min_area: 0.16 } }"],
         {"crop": 0.4, "stretch": 2.0}),
        (["ssd_random_crop_pad { operations { min_area: 1 min_aspect_ratio: 1 max_aspect_ratio: 1 "
          "max_padded_size_ratio: 1.5 max_padded_size_ratio: 3 } }"], {"zoom_out": 3.0}),
        (["random_pad_image {}"], {"zoom_out": 2.0}),
        (["random_pad_image { max_image_height: 600 }"], {}),
        (["random_adjust_brightness {}"], {"brightness": 0.2}),
        (["random_adjust_contrast { min_delta: 0.5 max_delta: 1.2 }", "random_adjust_contrast {}"], {"contrast": 0.5}),
        (["random_adjust_saturation {}"], {"saturation": 0.25}),
        (["random_distort_color {}", "random_adjust_brightness { max_delta: 0.1 }"],
         {"brightness": 0.1255, "contrast": 0.5, "saturation": 0.5}),
        (["random_vertical_flip {}", "random_rotation90 {}", "random_adjust_hue {}", "random_image_scale {}"], {}),
        (["random_crop_image { min_area: 0.000001 min_aspect_ratio: 0 max_aspect_ratio: 99 }"],
         {"crop": 0.1, "stretch": 3.0}),
    ],
)  # fmt: skip
def test_takes_augmentation(steps: list[str], expected: dict[str, Any]) -> None:
    assert augmentation(*steps) == expected


def test_without_train_config_the_preset_stays() -> None:
    assert of("model { ssd {} }").configuration == {}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("model { ssd { image_resizer { fixed_shape_resizer { height: 300 width: 400 } } } }", "a square (input_size)"),
        ("model { ssd { image_resizer { fixed_shape_resizer { height: 2000 width: 2000 } } } }", "between 64 and 1024"),
        ("model { ssd { image_resizer { keep_aspect_ratio_resizer { min_dimension: 600 } } } }", "to a square"),
        ("model { ssd { feature_extractor { depth_multiplier: 9 } } }", "width is 9; it must be between 0.1 and 2"),
        ("model { ssd {} } train_config { num_steps: 0 }", "without end"),
        ("model { ssd {} } train_config { batch_size: 4096 }", "batch_size is 4096; it must be between 1 and 1024"),
    ],
)
def test_says_why_a_value_does_not_fit(text: str, reason: str) -> None:
    found = of(text)
    assert set(found.configuration) <= {"augmentation"}
    assert any(reason in left.reason for left in found.left), found.left


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("model { faster_rcnn { num_classes: 3 } }", "1:9", "the model is faster_rcnn; the trainer has"),
        ("train_config { batch_size: 3 }", "1:1", "there is no model"),
        ("model: 3", "1:1", "model is 3; expected a message in braces"),
        ("item { id: 1 name: 'raccoon' }", "1:1", "a pipeline.config has no field item; expected model, train_config"),
        ("model { ssd {} }\ntrain_config { batch_size: 8\n batch_size: 9 }", "3:2", "there twice (first in line 2)"),
        ("model { ssd {} }\nmodel { ssd {} }", "2:1", "model is there twice"),
        ("model { ssd {} } train_config { batch_size: 1.5 }", "1:33", "batch_size is 1.5; expected a whole number"),
        ("model { ssd { num_classes: MANY } }", "1:15", "num_classes is MANY; expected a whole number"),
        ("model { ssd { feature_extractor { depth_multiplier: '1' } } }", "1:35", 'is "1"; expected a number'),
        ("model { ssd {} } train_config { optimizer { adam_optimizer {} momentum_optimizer {} } }", "1:63",
         "two optimizers"),
        ("model { ssd {} } train_config { optimizer { adam_optimizer { learning_rate { constant_learning_rate {}"
         " cosine_decay_learning_rate {} } } } }", "1:104", "two learning rates"),
    ],
)  # fmt: skip
def test_refuses_what_cannot_be(text: str, where: str, what: str) -> None:
    with pytest.raises(TextFormatError) as refused:
        of(text)
    assert str(refused.value).startswith(f"p.config:{where}: "), str(refused.value)
    assert what in str(refused.value)


def test_many_values_take_no_longer_than_they_should() -> None:
    """Were the time quadratic in their number, this would take minutes."""
    assert len(of("model { ssd { " + "a: 1 " * 20_000 + "} }").left) == 20_000
    flip = "data_augmentation_options { random_horizontal_flip {} } "
    assert len(training(flip * 10_000).taken) == 10_000


def test_describes_both_for_people() -> None:
    lines = list(read_pipeline_config(HERE / "ssdlite_mobilenet_v2.config").described())
    assert re.search(r"ssdlite_mobilenet_v2\.config: 10 values taken over, \d+ not\.$", lines[0])
    assert "  train_config.batch_size: 24 → batch_size = 24" in lines
    assert any(
        re.match(r"    line 6: model\.ssd\.num_classes: 90|    line \d+: model\.ssd\.num_classes: 90", line)
        for line in lines
    )
