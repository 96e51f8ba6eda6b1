"""A dataset as SageMaker's built-in detector reads it: images and annotations of train and validation.

Annotations are files in two channels of their own, or lines of augmented manifests. The hold-out is not among them. An
image is named by its SHA-256, so that its name is safe in S3, never meant twice and the same whatever batches come
later: what was sent once need not be sent again.
"""

from __future__ import annotations

import io
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PIL import Image

from include.dataset.annotation import Box
from include.dataset.sagemaker_json import (
    AnnotationFile,
    BoxedImage,
    DenseClass,
    annotation_files,
    dense_classes,
    encode_manifest_line,
    label_width,
)
from include.dataset.tfrecord_reading import bytes_features, read_frames
from include.documents import DatasetDocument, Side
from include.store import Store

TrainingSide = Literal["train", "validation"]
TRAINING_SIDES: tuple[TrainingSide, ...] = ("train", "validation")
NAME_DIGITS = 16  # of the SHA-256
QUALITY = 95  # of a JPEG that has to be written anew
KEY, ENCODED = "image/key/sha256", "image/encoded"


class SideMismatch(ValueError):
    """The shards and the COCO JSON of a side do not speak of the same images."""


@dataclass(frozen=True)
class SageMakerSide:
    """What goes into the two channels of one side.

    Attributes:
        images: by the SHA-256 of their bytes; those without boxes are left out (see ``annotation_files``).
        annotations: one for each of them.
        without_boxes: how many were left out.
    """

    images: Mapping[str, BoxedImage]
    annotations: tuple[AnnotationFile, ...]
    without_boxes: int

    @property
    def most_boxes(self) -> int:
        return max((each.boxes for each in self.annotations), default=0)


@dataclass(frozen=True)
class SageMakerData:
    """A dataset as the built-in detector trains on it."""

    train: SageMakerSide
    validation: SageMakerSide
    classes: tuple[DenseClass, ...]

    def side(self, name: TrainingSide) -> SageMakerSide:
        return self.train if name == "train" else self.validation

    def hyperparameters(self) -> dict[str, int]:
        """Those that the data decide; https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-api-config.html"""
        return {
            "num_classes": len(self.classes),
            "num_training_samples": len(self.train.annotations),
            "label_width": label_width(max(self.train.most_boxes, self.validation.most_boxes)),
        }


def sagemaker_data(store: Store, dataset: DatasetDocument) -> SageMakerData:
    """The annotations of a dataset's train and validation sides, out of its COCO JSON; the images are not read."""
    classes = _classes(dataset)
    train, validation = (_side(store, dataset, side, classes) for side in TRAINING_SIDES)
    return SageMakerData(train, validation, tuple(classes.values()))


def manifests(
    data: SageMakerData, dataset: DatasetDocument, images: Mapping[TrainingSide, str]
) -> dict[TrainingSide, bytes]:
    """The augmented manifest of each side: a line for each of its images.

    Args:
        data: of this dataset.
        images: where those of each side are, "s3://bucket/prefix/train".
    """
    classes = _classes(dataset)
    return {
        side: b"".join(encode_manifest_line(image, classes, images[side]) for image in data.side(side).images.values())
        for side in TRAINING_SIDES
    }


def encoded_images(store: Store, dataset: DatasetDocument, side: Side) -> Iterator[tuple[str, bytes]]:
    """SHA-256 and bytes (JPEG or PNG) of every image of a side, out of its shards, one image in memory at a time.

    The bytes are those of the SHA-256, but for images that have not three channels: see ``with_three_channels``.
    """
    for shard in dataset.sides[side].shards:
        with store.path(shard.path).open("rb") as file:
            for record in read_frames(file, shard.path):
                features = bytes_features(record, (KEY, ENCODED))
                yield features[KEY].decode(), with_three_channels(features[ENCODED])


def with_three_channels(encoded: bytes) -> bytes:
    """An image as the algorithm takes it, which "currently only supports 3-channel images".

    Those that have three are left as they are. A grey, CMYK or transparent one, or one with a palette, is written anew
    in its own format: PNG without loss, JPEG with hardly any. Transparency is dropped, as TensorFlow does when our
    trainer reads it.
    """
    image = Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG"))
    if len(image.getbands()) == 3:
        return encoded
    if image.mode.startswith("I"):  # 16 bits, of which the upper eight count
        grey = (np.asarray(image) >> 8).astype(np.uint8)
        rgb = Image.fromarray(grey).convert("RGB")
    else:
        rgb = image.convert("RGB")
    written = io.BytesIO()
    options: dict[str, Any] = {"quality": QUALITY} if image.format == "JPEG" else {}
    rgb.save(written, image.format, **options)
    return written.getvalue()


def write_channels(store: Store, dataset: DatasetDocument, folder: Path) -> SageMakerData:
    """Write the folders ``train``, ``train_annotation``, ``validation`` and ``validation_annotation``.

    Raises:
        SideMismatch: as ``write_images``.
    """
    data = write_images(store, dataset, folder)
    for side in TRAINING_SIDES:
        annotations = folder / f"{side}_annotation"
        annotations.mkdir(parents=True, exist_ok=True)
        for annotation in data.side(side).annotations:
            (annotations / annotation.name).write_bytes(annotation.contents)
    return data


def write_images(store: Store, dataset: DatasetDocument, folder: Path) -> SageMakerData:
    """Write the images that have boxes into the folders ``train`` and ``validation``.

    Raises:
        SideMismatch: the shards lack an image that has an annotation.
    """
    data = sagemaker_data(store, dataset)
    for side in TRAINING_SIDES:
        images, missing = folder / side, dict(data.side(side).images)
        images.mkdir(parents=True, exist_ok=True)
        for sha256, encoded in encoded_images(store, dataset, side):
            if image := missing.pop(sha256, None):
                (images / image.name).write_bytes(encoded)
        if missing:
            raise SideMismatch(
                f"{len(missing)} annotated images of {side} are in none of its shards, the first has sha256 "
                f"{next(iter(missing))}. Shards and COCO JSON of {dataset.path} must belong together: build it again."
            )
    return data


def _classes(dataset: DatasetDocument) -> dict[int, DenseClass]:
    return dense_classes((category.id, category.name) for category in dataset.label_map)


def _side(
    store: Store, dataset: DatasetDocument, side: TrainingSide, classes: Mapping[int, DenseClass]
) -> SageMakerSide:
    content = json.loads(store.read(dataset.sides[side].coco))
    boxes: dict[int, list[tuple[int, Box]]] = defaultdict(list)
    for each in content["annotations"]:
        x, y, width, height = each["bbox"]
        class_id = each["category_id"]
        boxes[each["image_id"]].append((class_id, Box(classes[class_id].name, x, y, x + width, y + height)))
    images = {
        each["sha256"]: BoxedImage(
            _name(each["sha256"], each["file_name"]), each["width"], each["height"], boxes[each["id"]]
        )
        for each in content["images"]
        if boxes[each["id"]]
    }
    annotations = tuple(annotation_files(images.values(), classes))
    return SageMakerSide(images, annotations, len(content["images"]) - len(images))


def _name(sha256: str, file: str) -> str:
    """What an image is called in its channel. The suffix is only for people: the algorithm decides by the contents."""
    return sha256[:NAME_DIGITS] + (".png" if file.lower().endswith(".png") else ".jpg")
