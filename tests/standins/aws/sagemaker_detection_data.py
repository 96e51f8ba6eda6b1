"""The built-in object detection's input, one JSON file for each image, read strictly and made into what we train on.

https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html#object-detection-image-training. Of the words of
its refusals, those of the batch have been reported (https://github.com/aws/amazon-sagemaker-examples/issues/1492), and
the beginning of those of the label width (https://github.com/aws/amazon-sagemaker-examples/issues/643).
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from PIL import Image, UnidentifiedImageError

from tests.standins.aws.sagemaker_detection_rules import BadJob
from tests.standins.aws.sagemaker_storage import RECORDS
from tests.standins.small_training import Sample

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
HEADER = 2  # numbers of a label before the objects
PER_OBJECT = 5  # class id, left, top, width, height


def read_side(images: Path, annotations: Path, classes: int) -> list[Sample]:
    """The samples of a side, in the order of their names.

    Raises:
        BadJob: an image without annotation or the other way round, a file that is none, a class id out of range.
    """
    found = {file for file in images.rglob("*") if file.suffix.lower() in SUFFIXES}
    if not found:
        raise BadJob(f"No images found in channel '{images.name}'. Expected .jpg or .png files.")
    samples = {}
    for file in sorted(annotations.rglob("*.json")):
        described = _described(file)
        image = images / str(described.get("file"))
        if image not in found or image.stem != file.stem:
            raise BadJob(
                f"{file.name} of channel '{annotations.name}' is about {described.get('file')!r}; there must be an "
                f"image of the same name at that path of channel '{images.name}'."
            )
        samples[image] = _read(image, described, file.name, classes)
    if missing := sorted(found - samples.keys()):
        raise BadJob(
            f"{len(missing)} images of channel '{images.name}' have no annotation file of the same name in channel "
            f"'{annotations.name}', such as {missing[0].name}."
        )
    return [samples[image] for image in sorted(samples)]


def read_piped_side(folder: Path, classes: int) -> list[Sample]:
    """The samples of a side that came through a pipe, from an augmented manifest: each an image, then its annotation.

    Raises:
        BadJob: the pipe is empty, or its records are others. The words are those of
            https://github.com/aws/amazon-sagemaker-examples/issues/1283 (of the image classification, which reads the
            same pipes) and https://github.com/aws/amazon-sagemaker-examples/issues/4056.
    """
    records = [json.loads(line) for line in (folder / RECORDS).read_text().splitlines()]
    if not records:
        raise BadJob(
            "Got empty batch from pipe. Please check if the manifest file contains valid batches and the value of "
            "training job parameter AttributeNames matches attributes names in the augmented manifest."
        )
    samples = []
    for image, described in zip_longest(records[::2], records[1::2], fillvalue={}):
        if "file" not in image or not isinstance(described.get("value"), dict):
            raise BadJob("Unable to parse record. Please make sure input data is in correct recordio format. ")
        samples.append(_read(folder / image["file"], described["value"], image["file"], classes))
    return samples


def check_sizes(sides: Mapping[str, Sequence[Sample]], configuration: Mapping[str, str]) -> None:
    """Refuse a batch larger than a side, and labels wider than the label width.

    Raises:
        BadJob: one of these.
    """
    batch, width = int(configuration["mini_batch_size"]), int(configuration["label_width"])
    if any(len(samples) < batch for samples in sides.values()):
        raise BadJob("The number of input images must be bigger or equal to the mini_batch_size.")
    most = max(len(sample.boxes) for samples in sides.values() for sample in samples)
    if most * PER_OBJECT + HEADER > width:
        raise BadJob(
            "Invalid parameter value 'label_width'. Please ensure that the value of parameter 'label_width' is large "
            f"enough for all annotations of an image: {width} is smaller than {most * PER_OBJECT + HEADER}."
        )


def _described(annotation: Path) -> dict[str, Any]:
    try:
        found = json.loads(annotation.read_text(encoding="utf-8"))
    except ValueError as error:
        raise BadJob(f"Unable to parse the annotation file {annotation.name}: {error}") from error
    if not isinstance(found, dict):
        raise BadJob(f"Unable to parse the annotation file {annotation.name}: it must be an object.")
    return found


def _read(image: Path, described: dict[str, Any], annotation: str, classes: int) -> Sample:
    encoded = image.read_bytes()
    try:
        with Image.open(io.BytesIO(encoded)) as opened:
            size, channels = opened.size, len(opened.getbands())
    except UnidentifiedImageError as error:
        raise BadJob(f"{image.name} is no image: {error}") from error
    try:
        boxes = [_box(each, classes, annotation) for each in described["annotations"]]
        told = described["image_size"][0]
        told_size = (int(told["width"]), int(told["height"]))
    except (ValueError, LookupError, TypeError) as error:
        raise BadJob(f"Unable to parse the annotation file {annotation}: {error!r}") from error
    if told_size != size or channels != 3 or told.get("depth") != 3:
        raise BadJob(f"{annotation}: image_size is {told}; {image.name} has {size} pixels in {channels} channels.")
    return Sample(image.name, encoded, *size, boxes)


def _box(annotation: dict[str, Any], classes: int, file: str) -> tuple[int, float, float, float, float]:
    class_id = annotation["class_id"]
    if not isinstance(class_id, int) or not 0 <= class_id < classes:
        raise BadJob(f"{file}: class_id {class_id} is out of range; num_classes is {classes}, and ids start at 0.")
    left, top, width, height = (float(annotation[name]) for name in ("left", "top", "width", "height"))
    return class_id, left, top, width, height
