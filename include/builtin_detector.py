"""What SageMaker's built-in "Object Detection - MXNet" is told: its hyperparameters, but for those of the data.

And ``input_mode``, which is no hyperparameter: how it is given the data.

Ranges: ``include.checks.aws.hyperparameters``. Presets have the interface of the trainer's ``Configuration``, so that a
plan is made of either.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from include.checks.aws.hyperparameters import HYPERPARAMETERS

VERSION = "object-detection:1"  # of the algorithm, the only one: with the configuration it decides what is trained
FROM_THE_DATA = frozenset({"num_classes", "num_training_samples", "label_width"})
INPUT_MODE, FILE, PIPE = "input_mode", "File", "Pipe"


@dataclass(frozen=True)
class BuiltinConfiguration:
    """The hyperparameters of one training. The defaults are those of the book's chapter.

    Attributes:
        base_network: "vgg-16" or "resnet-50".
        epochs: at most, see ``early_stopping``.
        image_shape: side of the square that images are resized to, in pixels.
        mini_batch_size: images per step; there must be more of them, on either side.
        optimizer: "sgd", "adam", "rmsprop" or "adadelta"; ``momentum`` is for sgd and rmsprop.
        learning_rate: at the beginning; times ``lr_scheduler_factor`` at each epoch of ``lr_scheduler_step``.
        lr_scheduler_step: epochs with commas between them, "10, 20"; empty: the rate stays.
        overlap_threshold: IoU from which a detection has found a box, in the algorithm's own validation.
        nms_threshold: of two detections of one class with more IoU than this, one is dropped.
        use_pretrained_model: 1 begins with weights from ImageNet, 0 from scratch.
        early_stopping: stop when the validation mAP grew by no more than ``…_tolerance`` for ``…_patience`` epochs, but
            not before ``…_min_epochs``.
        freeze_layer_pattern: layers whose names match this regular expression are not trained; "false" is none.
        input_mode: "File": all images are brought to the machine before it begins; "Pipe": they are streamed to it from
            S3, again in each epoch, as augmented manifests name them.
    """

    base_network: str = "resnet-50"
    epochs: int = 30
    image_shape: int = 300
    mini_batch_size: int = 12
    optimizer: str = "sgd"
    learning_rate: float = 0.001
    momentum: float = 0.9
    weight_decay: float = 0.0005
    lr_scheduler_step: str = ""
    lr_scheduler_factor: float = 0.1
    overlap_threshold: float = 0.5
    nms_threshold: float = 0.45
    use_pretrained_model: int = 1
    early_stopping: bool = False
    early_stopping_min_epochs: int = 10
    early_stopping_patience: int = 5
    early_stopping_tolerance: float = 0.0
    freeze_layer_pattern: str = "false"
    input_mode: str = FILE

    def __post_init__(self) -> None:
        if self.input_mode not in (FILE, PIPE):
            raise ValueError(f"{INPUT_MODE} is {self.input_mode!r}; it must be {FILE} or {PIPE}.")
        for field in dataclasses.fields(self):
            if field.name == INPUT_MODE:
                continue
            value = _as(type(field.default), getattr(self, field.name))
            allowed = HYPERPARAMETERS[field.name]
            if value is None or not allowed.is_good(text_of(value)):
                raise ValueError(f"{field.name} is {getattr(self, field.name)!r}; it must be {allowed.allowed}.")
            object.__setattr__(self, field.name, value)

    @classmethod
    def preset(cls, name: str) -> BuiltinConfiguration:
        """ "default" is the chapter's table, "sample" a short training for a few dozen images."""
        if name not in PRESETS:
            raise ValueError(f"There is no preset {name!r}; there are {', '.join(PRESETS)}.")
        return PRESETS[name]

    def replace(self, **changes: Any) -> BuiltinConfiguration:
        """With some hyperparameters changed.

        Raises:
            ValueError: there is none of a name, or a value is out of its range.
        """
        known = [field.name for field in dataclasses.fields(self)]
        for name in changes:
            if name in FROM_THE_DATA:
                raise ValueError(f"{name} is not to be given: the data decide it when the job is submitted.")
            if name not in known:
                raise ValueError(f"There is no hyperparameter {name}; there are {', '.join(known)}.")
        return dataclasses.replace(self, **changes)

    def to_json(self) -> dict[str, Any]:
        """Without ``input_mode`` where it is "File", as before there was another: the names of jobs depend on it."""
        fields = dataclasses.asdict(self)
        if self.input_mode == FILE:
            del fields[INPUT_MODE]
        return fields


def is_piped(configuration: Mapping[str, Any]) -> bool:
    """Is a training given its data in Pipe mode?"""
    return configuration.get(INPUT_MODE, FILE) == PIPE


def hyperparameters(configuration: Mapping[str, Any], from_the_data: Mapping[str, int]) -> dict[str, str]:
    """All of them as the service wants them: as texts, those that are empty left out."""
    every = {name: text_of(value) for name, value in {**configuration, **from_the_data}.items()}
    return {name: text for name, text in every.items() if text and name != INPUT_MODE}


def text_of(value: Any) -> str:
    """
    >>> text_of(True), text_of(0.0005), text_of("sgd")
    ('true', '0.0005', 'sgd')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def _as(kind: type, value: Any) -> Any:
    """A value of lanner.yaml as a kind; None if it is none. YAML reads ``false`` and ``10`` as no texts."""
    if kind is str:
        return text_of(value) if isinstance(value, str | bool | int) else None
    if isinstance(value, bool) is not (kind is bool):
        return None
    if kind is float and isinstance(value, int):
        return float(value)
    return value if isinstance(value, kind) else None


PRESETS: Mapping[str, BuiltinConfiguration] = MappingProxyType(
    {"default": BuiltinConfiguration(), "sample": BuiltinConfiguration(epochs=5, mini_batch_size=4)}
)
