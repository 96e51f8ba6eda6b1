from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from detector_trainer.configuration import PRESETS, Augmentation, Configuration
from detector_trainer.errors import BadInput


def test_survives_json() -> None:
    configuration = Configuration(input_size=160, minutes=2.5, augmentation=Augmentation(mirror=False, crop=0.7))
    assert Configuration.from_json(json.loads(json.dumps(configuration.to_json()))) == configuration


def test_a_later_field_is_not_written_while_it_has_its_default() -> None:
    """Jobs are named by the hash of what is written: with another name the same training would be paid for again."""
    written = json.dumps(Configuration.preset("default").to_json(), sort_keys=True)
    assert hashlib.sha256(written.encode()).hexdigest().startswith("c666a5cd"), "as version 0.2.1 wrote it"
    first = Configuration(backbone="mobilenet_v1", width=0.75, finest_stride=16)
    assert Configuration.from_json(json.loads(json.dumps(first.to_json()))) == first
    assert first.replace(steps=3).backbone == "mobilenet_v1"


def test_fields_left_out_keep_their_defaults() -> None:
    configuration = Configuration.from_json({"augmentation": {"mirror": False}})
    assert configuration == Configuration(augmentation=Augmentation(mirror=False))
    assert configuration.input_size == 300


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"input_size": 20}, "input_size is 20; it must be between 64 and 1024"),
        ({"backbone": "resnet"}, "backbone is 'resnet'; it must be 'mobilenet_v1' or 'mobilenet_v2'"),
        ({"input_size": "300"}, "input_size is '300'; it must be a whole number"),
        ({"steps": 0}, "steps is 0; it must be above 0, or null"),
        ({"steps": True}, "steps is True; it must be a whole number"),
        ({"learning_rate": float("nan")}, "learning_rate is nan; it must be between"),
        ({"minutes": 0}, "minutes is 0; it must be above 0, or null for no limit"),
        ({"minutes": "5"}, "minutes is '5'; it must be a number or null"),
        ({"weights": "coco"}, 'weights is \'coco\'; it must be "imagenet", "none" or the path'),
        ({"finest_stride": 4}, "finest_stride is 4; it must be 8 or 16"),
        ({"augmentation": {"mirror": 1}}, "augmentation.mirror is 1; it must be true or false"),
        ({"augmentation": {"crop": 0}}, "augmentation.crop is 0; it must be between 0.1 and 1"),
        ({"augmentation": 3}, "augmentation is 3; it must be an object"),
        ({"stepps": 10}, "there is no field stepps; there are input_size, backbone, width"),
        ({"augmentation": {"flip": True}}, "there is no field augmentation.flip; there are mirror"),
    ],
)
def test_errors_name_the_field_the_value_and_what_is_allowed(changes: dict[str, object], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        Configuration().replace(**changes)
    assert said in str(caught.value)


def test_a_file_that_is_none_is_named(tmp_path: Path) -> None:
    path = tmp_path / "given.json"
    for text, said in (
        (None, "cannot be read: No such file"),
        ('{\n"a" 1}', "no JSON at line 2"),
        ("[]", "one JSON object"),
    ):
        if text is not None:
            path.write_text(text)
        with pytest.raises(BadInput, match=said) as caught:
            Configuration.read(path)
        assert str(path) in str(caught.value)


def test_a_change_of_the_augmentation_keeps_the_rest_of_it() -> None:
    changed = Configuration.preset("sample").replace(augmentation={"contrast": 0.1}).augmentation
    assert changed == Augmentation(**{**PRESETS["sample"]["augmentation"], "contrast": 0.1})


def test_presets_are_valid_and_can_be_changed() -> None:
    for name in PRESETS:
        assert Configuration.preset(name).replace(steps=7).steps == 7
    with pytest.raises(BadInput, match="no preset 'big'; there are sample, default"):
        Configuration.preset("big")


def test_help_and_configuration_need_no_tensorflow() -> None:
    script = "import sys, detector_trainer.cli, detector_trainer.configuration; print('tensorflow' in sys.modules)"
    environment = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
