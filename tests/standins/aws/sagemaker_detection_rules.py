"""What the built-in "Object Detection - MXNet" refuses once it runs: channels, content types, hyperparameters.

Rules: https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html and
https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-api-config.html. Of its words, those of a value out of
range have been reported (https://github.com/awsdocs/amazon-sagemaker-developer-guide/issues/44); the others are from
memory.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jsonschema

IMAGES = ("image/jpeg", "image/png", "application/x-image")
SIDES = ("train", "validation")
CHANNELS = (*SIDES, *(f"{side}_annotation" for side in SIDES))
_CHANNEL = {
    "type": "object",
    "required": ["ContentType"],
    "properties": {"ContentType": {"enum": [*IMAGES]}, "TrainingInputMode": {"enum": ["File"]}},
}
_PIPED = {
    "type": "object",
    "required": ["ContentType", "RecordWrapperType"],
    "properties": {
        "ContentType": {"enum": ["application/x-recordio"]},
        "RecordWrapperType": {"enum": ["RecordIO"]},
        "TrainingInputMode": {"enum": ["Pipe"]},
    },
}


def _schema(names: Sequence[str], channel: dict[str, Any]) -> dict[str, Any]:
    return {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "type": "object",
        "additionalProperties": False,
        "required": [*names],
        "properties": dict.fromkeys(names, channel),
    }


_IMAGES_AND_JSON, _MANIFESTS = _schema(CHANNELS, _CHANNEL), _schema(SIDES, _PIPED)


class BadJob(Exception):
    """The algorithm refuses its input; the message is for the one who submitted it."""


@dataclass(frozen=True)
class Number:
    """A hyperparameter that is a number.

    Attributes:
        least, most: allowed as well, unless ``open`` (above the least) or ``below`` (below the most).
    """

    least: float
    most: float
    whole: bool = False
    open: bool = False
    below: bool = False

    def allows(self, text: str) -> bool:
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            return False
        above = value > self.least if self.open else value >= self.least
        return above and (value < self.most if self.below else value <= self.most)

    def __str__(self) -> str:
        if self.whole:
            return (
                "a string which matches the pattern '^[1-9][0-9]*$'; or an integer between "
                f"{self.least:g} and {self.most:g}"
            )
        brackets = "(" if self.open else "[", ")" if self.below else "]"
        return f"a float in {brackets[0]}{self.least:g}, {self.most:g}{brackets[1]}"


@dataclass(frozen=True)
class Choice:
    """A hyperparameter that is one of a few words, in whatever case."""

    words: tuple[str, ...]

    def allows(self, text: str) -> bool:
        return text.lower() in self.words

    def __str__(self) -> str:
        return f"one of {', '.join(map(repr, self.words))}"


@dataclass(frozen=True)
class Text:
    """A hyperparameter that is any text that fits a pattern."""

    pattern: str = ".*"

    def allows(self, text: str) -> bool:
        return re.fullmatch(self.pattern, text) is not None

    def __str__(self) -> str:
        return f"a string which matches the pattern '^{self.pattern}$'"


_COUNT, _SHARE = Number(1, 1_000_000_000, whole=True), Number(0, 1, open=True)
_FLAG = Choice(("true", "false"))
RULES: Mapping[str, Number | Choice | Text] = {
    "num_classes": _COUNT,
    "num_training_samples": _COUNT,
    "base_network": Choice(("vgg-16", "resnet-50")),
    "early_stopping": _FLAG,
    "early_stopping_min_epochs": _COUNT,
    "early_stopping_patience": _COUNT,
    "early_stopping_tolerance": Number(0, 1),
    "image_shape": Number(300, 10_000, whole=True),
    "epochs": _COUNT,
    "freeze_layer_pattern": Text(),
    "kv_store": Choice(("device", "dist_sync", "dist_async")),
    "label_width": _COUNT,
    "learning_rate": _SHARE,
    "lr_scheduler_factor": Number(0, 1, open=True, below=True),
    "lr_scheduler_step": Text(r"(\s*\d+\s*(,\s*\d+\s*)*)?"),
    "mini_batch_size": _COUNT,
    "momentum": _SHARE,
    "nms_threshold": _SHARE,
    "optimizer": Choice(("sgd", "adam", "rmsprop", "adadelta")),
    "overlap_threshold": _SHARE,
    "use_pretrained_model": Choice(("0", "1")),
    "weight_decay": Number(0, 1, open=True, below=True),
}
REQUIRED = ("num_classes", "num_training_samples")
DEFAULTS: Mapping[str, str] = {
    "base_network": "vgg-16",
    "early_stopping": "False",
    "early_stopping_min_epochs": "10",
    "early_stopping_patience": "5",
    "early_stopping_tolerance": "0.0",
    "image_shape": "300",
    "epochs": "30",
    "freeze_layer_pattern": "",
    "kv_store": "device",
    "label_width": "350",
    "learning_rate": "0.001",
    "lr_scheduler_factor": "0.1",
    "lr_scheduler_step": "",
    "mini_batch_size": "32",
    "momentum": "0.9",
    "nms_threshold": "0.45",
    "optimizer": "sgd",
    "overlap_threshold": "0.5",
    "use_pretrained_model": "1",
    "weight_decay": "0.0005",
}


def is_piped(channels: Mapping[str, Any]) -> bool:
    return any(channel.get("TrainingInputMode") == "Pipe" for channel in channels.values())


def check_channels(channels: Mapping[str, Any]) -> None:
    """Refuse channels of other names, without a content type, or of another one.

    Four of images and of JSON, or, where one is a pipe, two of augmented manifests.

    Raises:
        BadJob: as the service tells it.
    """
    wrong = jsonschema.Draft4Validator(_MANIFESTS if is_piped(channels) else _IMAGES_AND_JSON)
    for error in sorted(wrong.iter_errors(channels), key=lambda each: list(map(str, each.path))):
        raise BadJob(
            "Unable to initialize the algorithm. Failed to validate input data configuration. (caused by "
            f"ValidationError)\n\nCaused by: {error}"
        )


def check_hyperparameters(given: Mapping[str, str]) -> dict[str, str]:
    """The whole configuration, defaults filled in.

    Raises:
        BadJob: one is missing, unknown or out of range.
    """
    if missing := [name for name in REQUIRED if not given.get(name)]:
        listed = ", ".join(f"'{name}'" for name in missing)
        raise BadJob(f"No value(s) were specified for {listed} which are required hyperparameter(s)")
    if unknown := sorted(given.keys() - RULES.keys()):
        listed = ", ".join(f"'{name}'" for name in unknown)
        raise BadJob(
            f"Additional hyperparameters are not allowed ({listed} was unexpected) (caused by ValidationError)"
        )
    for name, value in given.items():
        if not RULES[name].allows(value):
            raise BadJob(
                f"The value '{value}' is not valid for the '{name}' hyperparameter which expects one of the following: "
                f"{RULES[name]} (caused by ValidationError)"
            )
    return {**DEFAULTS, **given}
