"""What a training is told: sizes, schedule, augmentation. Importing this needs no TensorFlow."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from detector_trainer.errors import BadInput
from detector_trainer.files import write_json

BACKBONE_NAMES = ("mobilenet_v1", "mobilenet_v2")
LATER_FIELDS: Mapping[str, Any] = MappingProxyType({"backbone": "mobilenet_v2"})  # and their defaults
_ALWAYS = object()


def _check(owner: object, name: str, allowed: str, holds: bool) -> None:
    if not holds:
        section = "augmentation." if isinstance(owner, Augmentation) else ""
        raise BadInput(f"Configuration: {section}{name} is {getattr(owner, name)!r}; it must be {allowed}.")


def _check_type(owner: Any, name: str, kinds: tuple[type, ...], allowed: str) -> None:
    value = getattr(owner, name)
    _check(owner, name, allowed, isinstance(value, kinds) and (bool in kinds or not isinstance(value, bool)))


@dataclass(frozen=True)
class Augmentation:
    """How training images are varied. All zeros and ``mirror=False`` leave them as they are.

    Attributes:
        mirror: mirror half of the images. Off for what has a reading direction: digits, signs, text.
        crop: the least share of the image's side that a window shows; 1 never crops.
        zoom_out: the most sides of the image that a window shows; 1 never adds a margin.
        stretch: the most by which width and height are scaled differently; 1 keeps the aspect ratio.
        mosaic: the share of training images that show four samples at half their size.
        brightness: the most that is added or taken away, as a share of full scale.
        contrast: the most by which the contrast is raised or lowered, as a share.
        saturation: the same for the colours' saturation.
    """

    mirror: bool = True
    crop: float = 0.55
    zoom_out: float = 1.3
    stretch: float = 1.3
    mosaic: float = 0.4
    brightness: float = 0.1
    contrast: float = 0.3
    saturation: float = 0.3

    def __post_init__(self) -> None:
        _check_type(self, "mirror", (bool,), "true or false")
        for name, low, high in (
            ("crop", 0.1, 1),
            ("zoom_out", 1, 4),
            ("stretch", 1, 3),
            ("mosaic", 0, 1),
            ("brightness", 0, 0.9),
            ("contrast", 0, 0.9),
            ("saturation", 0, 0.9),
        ):
            _check_type(self, name, (int, float), "a number")
            _check(self, name, f"between {low} and {high}", low <= getattr(self, name) <= high)


@dataclass(frozen=True)
class Configuration:
    """One training, but for its data: the classes come from the data's label map.

    Attributes:
        input_size: the side of the square that images are resized to, in pixels.
        backbone: "mobilenet_v1" or "mobilenet_v2".
        width: the backbone's width multiplier (alpha); ImageNet weights exist for 0.35, 0.5, 0.75, 1, 1.3 and 1.4 of
            MobileNetV2, for 0.25, 0.5, 0.75 and 1 of MobileNetV1.
        weights: "imagenet" (downloaded), "none" (from scratch), or a ``.weights.h5`` file of the backbone.
        finest_stride: pixels per cell of the finest feature map with anchors: 8 sees objects of half the size of 16.
        anchor_scale: side of a cell's smallest square anchor, in cells.
        freeze_below: with pretrained weights, convolutions of the stem and of blocks below this number stay as
            they are (0: only batch norm does).
        steps: optimiser steps in all, whatever was resumed. None: by the number of training images, see ``schedule``.
        minutes: limit on the training loop's wall-clock time; the schedule ends by it too. None: no limit.
        batch_size: images per step.
        learning_rate: the peak, after ``warmup_steps`` of linear warm-up; then a cosine down to 1 % of it.
        backbone_rate: with pretrained weights, the share of the learning rate by which the backbone learns.
        weight_decay: AdamW's, on convolution kernels alone.
        ema_decay: per step, of the running average of the weights that is evaluated and exported.
        evaluate_every: steps between two evaluations on the validation images.
        patience: evaluations without a higher mAP after which training stops.
        checkpoint_every: steps between two checkpoints to resume from.
        score_threshold: detections below it are dropped.
        iou_threshold: of two detections of one class that overlap by more, the lower-scored is dropped.
        seed: of initial weights, order and augmentation.
    """

    input_size: int = 300
    backbone: str = "mobilenet_v2"
    width: float = 1.0
    weights: str = "imagenet"
    finest_stride: int = 8
    anchor_scale: float = 3.0
    freeze_below: int = 3
    steps: int | None = None
    minutes: float | None = None
    batch_size: int = 16
    learning_rate: float = 5e-3
    backbone_rate: float = 0.1
    warmup_steps: int = 50
    weight_decay: float = 0.05
    ema_decay: float = 0.99
    evaluate_every: int = 100
    patience: int = 10
    checkpoint_every: int = 100
    score_threshold: float = 0.01
    iou_threshold: float = 0.5
    seed: int = 1
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        whole_numbers = (
            ("input_size", 64, 1024),
            ("freeze_below", 0, 17),
            ("batch_size", 1, 1024),
            ("warmup_steps", 0, 100_000),
            ("evaluate_every", 1, 1_000_000),
            ("patience", 1, 1_000_000),
            ("checkpoint_every", 1, 1_000_000),
            ("seed", 0, 2**31 - 1),
        )
        numbers = (
            ("width", 0.1, 2),
            ("anchor_scale", 1, 8),
            ("learning_rate", 1e-7, 1),
            ("backbone_rate", 0, 1),
            ("weight_decay", 0, 1),
            ("ema_decay", 0, 0.99999),
            ("score_threshold", 0.0001, 0.99),
            ("iou_threshold", 0.1, 0.95),
        )
        for name, low, high in whole_numbers:
            _check_type(self, name, (int,), "a whole number")
            _check(self, name, f"between {low} and {high}", low <= getattr(self, name) <= high)
        for name, lowest, highest in numbers:
            _check_type(self, name, (int, float), "a number")
            _check(self, name, f"between {lowest} and {highest}", lowest <= getattr(self, name) <= highest)
        _check(self, "backbone", " or ".join(map(repr, BACKBONE_NAMES)), self.backbone in BACKBONE_NAMES)
        _check(self, "finest_stride", "8 or 16", self.finest_stride in (8, 16))
        if self.steps is not None:
            _check_type(self, "steps", (int,), "a whole number or null")
            _check(self, "steps", "above 0, or null to go by the number of images", self.steps > 0)
        if self.minutes is not None:
            _check_type(self, "minutes", (int, float), "a number or null")
            _check(self, "minutes", "above 0, or null for no limit", self.minutes > 0)
        _check(
            self,
            "weights",
            '"imagenet", "none" or the path of a .weights.h5 file',
            self.weights in ("imagenet", "none") or str(self.weights).endswith(".h5"),
        )
        _check_type(self, "augmentation", (Augmentation,), "an object of its own")

    @classmethod
    def preset(cls, name: str) -> Configuration:
        """A named starting point: "sample" or "default".

        >>> Configuration.preset("sample").replace(steps=10).augmentation.mirror
        False
        """
        if name not in PRESETS:
            raise BadInput(f"Configuration: there is no preset {name!r}; there are {', '.join(PRESETS)}.")
        return cls.from_json(PRESETS[name])

    def replace(self, **changes: Any) -> Configuration:
        """With some fields changed; of the augmentation, too, only those given."""
        values = self.to_json()
        augmentation = changes.get("augmentation", {})
        if isinstance(augmentation, Mapping):
            changes["augmentation"] = {**values["augmentation"], **augmentation}
        return self.from_json({**values, **changes})

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Configuration:
        """From plain values as JSON has them; fields left out keep their defaults, unknown ones are refused."""
        fields = _known(cls, values, "")
        augmentation = fields.get("augmentation", {})
        if isinstance(augmentation, Mapping):
            fields["augmentation"] = Augmentation(**_known(Augmentation, augmentation, "augmentation."))
        return cls(**fields)

    def to_json(self) -> dict[str, Any]:
        """All fields, but for those that came later while they have their defaults: jobs are named by its hash."""
        values = dataclasses.asdict(self)
        return {name: value for name, value in values.items() if LATER_FIELDS.get(name, _ALWAYS) != value}

    @classmethod
    def read(cls, path: Path) -> Configuration:
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise BadInput(f"The configuration {path} cannot be read: {error.strerror}.") from error
        except json.JSONDecodeError as error:
            raise BadInput(f"The configuration {path} is no JSON at line {error.lineno}: {error.msg}.") from error
        if not isinstance(values, dict):
            raise BadInput(f"The configuration {path} must be one JSON object of fields and values.")
        return cls.from_json(values)

    def write(self, path: Path) -> None:
        write_json(path, self.to_json())


def _known(kind: type, values: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    names = [spec.name for spec in dataclasses.fields(kind)]
    for name in values:
        if name not in names:
            raise BadInput(f"Configuration: there is no field {prefix}{name}; there are {', '.join(names)}.")
    return dict(values)


PRESETS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        # Small pictures of many small things, from nothing: the digits, in under four minutes on two cores.
        "sample": {
            "input_size": 128,
            "width": 0.5,
            "weights": "none",
            "steps": 600,
            "batch_size": 32,
            "augmentation": {"mirror": False, "crop": 0.7, "zoom_out": 1.2, "stretch": 1.25, "mosaic": 0.0},
        },
        # Photographs on ImageNet weights, sized for two cores, which take about 0.7 CPU seconds for a step.
        "default": {"input_size": 256},
    }
)
