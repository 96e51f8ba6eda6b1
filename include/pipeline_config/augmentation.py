"""The API's ``data_augmentation_options`` as the trainer's augmentation.

Defaults are those of the API's ``preprocessor.proto`` and, where that has none, of its ``core/preprocessor.py``:
https://github.com/tensorflow/models/tree/master/research/object_detection
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from include.pipeline_config.reading import Reading
from include.pipeline_config.text_format import Field, Message

# The trainer varies images by itself; the API only as asked. So what the file does not ask for is switched off.
NONE: Mapping[str, Any] = MappingProxyType(
    {
        "mirror": False,
        "crop": 1.0,
        "zoom_out": 1.0,
        "stretch": 1.0,
        "mosaic": 0.0,
        "brightness": 0.0,
        "contrast": 0.0,
        "saturation": 0.0,
    }
)
WINDOW = "the trainer's windows are of every size and place between; no object has to be covered"
MOST_STRETCH, LEAST_CROP, MOST_ZOOM, MOST_COLOUR = 3.0, 0.1, 4.0, 0.9  # what the trainer takes
SSD_AREA, SSD_ASPECT = 0.1, 2.0  # ssd_random_crop's own, where it is given no operations
PADDED = 2.0  # sides of the image: the largest margin where none is given


def take_augmentation(reading: Reading, train_config: Message) -> None:
    """Take over each step that the trainer has, too. Of two for one field the stronger counts."""
    steps = [
        (option, step)
        for option in train_config.named("data_augmentation_options")
        if isinstance(option.value, Message)
        for step in option.value.fields
    ]
    reading.fields["augmentation"] = dict(NONE)
    for _, step in steps:
        rule = RULES.get(step.name)
        if rule and isinstance(step.value, Message):
            rule(reading, step, step.value)
        else:
            reading.leave([step], REASONS.get(step.name, "the trainer has no such step"))


def _found(reading: Reading, message: Message, *names: str) -> list[Field]:
    """Those of the fields that are there."""
    return [found for name in names if (found := reading.one(message, name)) is not None]


def _take(reading: Reading, step: Field, found: Sequence[Field], name: str, value: float, note: str = "") -> None:
    """The stronger of this and what an earlier step asked for; ``found`` said so, or the step by its defaults."""
    so_far = reading.fields["augmentation"][name]
    stronger = min(so_far, value) if name == "crop" else max(so_far, value)
    reading.take(found or [step], f"augmentation.{name}", round(stronger, 4), note)


def _number(reading: Reading, message: Message, name: str, default: float) -> float:
    found = reading.one(message, name)
    return default if found is None else reading.number(found)


def _mirror(reading: Reading, step: Field, message: Message) -> None:
    reading.take([step], "augmentation.mirror", True)


def _windows(reading: Reading, step: Field, messages: Sequence[Message], area: float, low: float, high: float) -> None:
    """Windows of at least a share of the image's area, up to so far from its shape; the widest range of them all."""
    reading.leave([step], WINDOW)
    areas, aspects = [], []
    for message in messages:
        least = _number(reading, message, "min_aspect_ratio", low)
        most = _number(reading, message, "max_aspect_ratio", high)
        areas.append(_number(reading, message, "min_area", area))
        aspects.append(max(most, 1 / least if least > 0 else MOST_STRETCH, 1.0))
    found_area = [found for message in messages for found in _found(reading, message, "min_area")]
    found_aspect = [
        found for message in messages for found in _found(reading, message, "min_aspect_ratio", "max_aspect_ratio")
    ]
    _take(reading, step, found_area, "crop", max(math.sqrt(max(min(areas), 0.0)), LEAST_CROP))
    _take(reading, step, found_aspect, "stretch", min(max(aspects), MOST_STRETCH))


def _crop(reading: Reading, step: Field, message: Message) -> None:
    _windows(reading, step, [message], 0.1, 0.75, 1.33)


def _ssd_crop(reading: Reading, step: Field, message: Message) -> None:
    operations = [found.value for found in message.named("operations") if isinstance(found.value, Message)]
    _windows(reading, step, operations or [message], SSD_AREA, 1 / SSD_ASPECT, SSD_ASPECT)


def _ssd_crop_and_pad(reading: Reading, step: Field, message: Message) -> None:
    _ssd_crop(reading, step, message)
    operations = [found.value for found in message.named("operations") if isinstance(found.value, Message)]
    found = [ratio for operation in operations for ratio in operation.named("max_padded_size_ratio")]
    widest = max((reading.number(ratio) for ratio in found), default=PADDED)
    _take(reading, step, found, "zoom_out", min(max(widest, 1.0), MOST_ZOOM))


def _pad(reading: Reading, step: Field, message: Message) -> None:
    if _found(reading, message, "max_image_height", "max_image_width"):
        reading.leave([step], "its sizes are in pixels; the trainer's margin is in sides of the image (zoom_out)")
    else:
        _take(reading, step, [], "zoom_out", PADDED)


def _brightness(reading: Reading, step: Field, message: Message) -> None:
    found = _found(reading, message, "max_delta")
    _take(reading, step, found, "brightness", min(_number(reading, message, "max_delta", 0.2), MOST_COLOUR))


def _share(name: str) -> Callable[[Reading, Field, Message], None]:
    """A factor between two bounds around 1, as the share by which the trainer raises or lowers."""

    def rule(reading: Reading, step: Field, message: Message) -> None:
        low, high = _number(reading, message, "min_delta", 0.8), _number(reading, message, "max_delta", 1.25)
        found = _found(reading, message, "min_delta", "max_delta")
        _take(reading, step, found, name, min(max(1 - low, high - 1, 0.0), MOST_COLOUR))

    return rule


def _distort(reading: Reading, step: Field, message: Message) -> None:
    reading.leave([step], "the trainer varies brightness, contrast and saturation at once, in no order")
    _take(reading, step, [], "brightness", 32 / 255, "hue stays as it is")
    _take(reading, step, [], "contrast", 0.5)
    _take(reading, step, [], "saturation", 0.5)


RULES: Mapping[str, Callable[[Reading, Field, Message], None]] = MappingProxyType(
    {
        "random_horizontal_flip": _mirror,
        "random_crop_image": _crop,
        "ssd_random_crop": _ssd_crop,
        "ssd_random_crop_pad": _ssd_crop_and_pad,
        "random_pad_image": _pad,
        "random_adjust_brightness": _brightness,
        "random_adjust_contrast": _share("contrast"),
        "random_adjust_saturation": _share("saturation"),
        "random_distort_color": _distort,
    }
)

REASONS: Mapping[str, str] = MappingProxyType(
    {
        "random_image_scale": "the trainer resizes every image to its input size, after which no scale is left",
        "random_resize_method": "the trainer resizes every image to its input size",
        "resize_image": "the trainer resizes every image to its input size",
        "normalize_image": "the trainer normalises images itself, as its backbone's weights expect",
        "subtract_channel_mean": "the trainer normalises images itself, as its backbone's weights expect",
    }
)
