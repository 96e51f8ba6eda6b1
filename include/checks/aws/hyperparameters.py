"""The documented hyperparameters of SageMaker's built-in "Object Detection - MXNet", and what each may be.

https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-api-config.html, in the copy
https://github.com/awsdocs/amazon-sagemaker-developer-guide/blob/3709462/doc_source/object-detection-api-config.md, read
2026-11-25. Values are texts, as CreateTrainingJob wants them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True)
class Hyperparameter:
    """What one of them may be.

    Attributes:
        allowed: the range in words.
        is_good: may a value be this text?
        required: it has no default.
    """

    allowed: str
    is_good: Callable[[str], bool]
    required: bool = False


def _whole(least: int = 1, *, required: bool = False) -> Hyperparameter:
    words = "a positive whole number" if least == 1 else f"a whole number from {least}"
    return Hyperparameter(words, lambda text: bool(re.fullmatch(r"\d+", text)) and int(text) >= least, required)


def _number(words: str, inside: Callable[[float], bool]) -> Hyperparameter:
    def is_good(text: str) -> bool:
        try:
            value = float(text)
        except ValueError:
            return False
        return math.isfinite(value) and inside(value)

    return Hyperparameter(words, is_good)


def _one_of(*values: str) -> Hyperparameter:
    return Hyperparameter(f"one of {', '.join(values)}", lambda text: text in values)


def _pattern(text: str) -> bool:
    try:
        re.compile(text)
    except re.error:
        return False
    return True


_SHARE = _number("more than 0, at most 1", lambda value: 0 < value <= 1)
_FRACTION = _number("more than 0, less than 1", lambda value: 0 < value < 1)
_EPOCHS = re.compile(r"\s*\d+\s*(,\s*\d+\s*)*|")
_TRUTH = Hyperparameter("True or False", lambda text: text.lower() in {"true", "false"})

HYPERPARAMETERS: Mapping[str, Hyperparameter] = MappingProxyType(
    {
        "num_classes": _whole(required=True),
        "num_training_samples": _whole(required=True),
        "base_network": _one_of("vgg-16", "resnet-50"),
        "early_stopping": _TRUTH,
        "early_stopping_min_epochs": _whole(),
        "early_stopping_patience": _whole(),
        "early_stopping_tolerance": _number("from 0 to 1", lambda value: 0 <= value <= 1),
        "image_shape": _whole(300),
        "epochs": _whole(),
        "freeze_layer_pattern": Hyperparameter("a regular expression", _pattern),
        "kv_store": _one_of("dist_sync", "dist_async"),
        "label_width": _whole(),
        "learning_rate": _SHARE,
        "lr_scheduler_factor": _FRACTION,
        "lr_scheduler_step": Hyperparameter(
            "epochs with commas between them", lambda text: bool(_EPOCHS.fullmatch(text))
        ),
        "mini_batch_size": _whole(),
        "momentum": _SHARE,
        "nms_threshold": _SHARE,
        "optimizer": _one_of("sgd", "adam", "rmsprop", "adadelta"),
        "overlap_threshold": _SHARE,
        "use_pretrained_model": _one_of("0", "1"),
        "weight_decay": _FRACTION,
    }
)
DEFAULT_BATCH = 32  # of mini_batch_size, where it is not given
DEFAULT_LABEL_WIDTH = 350
