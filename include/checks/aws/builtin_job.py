"""A job of SageMaker's built-in "Object Detection - MXNet" as it is to be submitted: what its rules look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

IMAGE_TYPES = ("application/x-image", "image/jpeg", "image/png")
RECORDS_TYPE = "application/x-recordio"
MANIFEST, RECORDS, PIPE = "AugmentedManifestFile", "RecordIO", "Pipe"
SIDES = ("train", "validation")
FOUR = (*SIDES, *(f"{side}_annotation" for side in SIDES))
DEVELOPER_GUIDE = "https://docs.aws.amazon.com/sagemaker/latest/dg"


@dataclass(frozen=True)
class Channel:
    """An input of the job.

    Attributes:
        name: "train", "validation", "train_annotation", "validation_annotation".
        uri: "s3://bucket/prefix", or of an augmented manifest.
        objects: how many lie there; None: not known.
        region: of the bucket; "" where there is no such bucket, None: not known.
        data_type: "S3Prefix", or "AugmentedManifestFile": a file whose lines name images and say what is in them.
        input_mode: "File", "Pipe".
        wrapper: of each record in a pipe, "None" or "RecordIO".
        attributes: of a manifest's lines, in the order in which they come through the pipe.
    """

    name: str
    uri: str
    content_type: str
    objects: int | None = None
    region: str | None = None
    data_type: str = "S3Prefix"
    input_mode: str = "File"
    wrapper: str = "None"
    attributes: tuple[str, ...] = ()

    @property
    def is_manifest(self) -> bool:
        return self.data_type == MANIFEST


@dataclass(frozen=True)
class BuiltinJob:
    """A job as it is to be submitted, and the data for it.

    Attributes:
        role: that it runs as.
        hyperparameters: as texts.
        training_images, validation_images: how many, those without boxes left out.
        classes: how many.
        most_boxes: of one image.
    """

    region: str
    role: str
    channels: tuple[Channel, ...]
    hyperparameters: Mapping[str, str]
    training_images: int
    validation_images: int
    classes: int
    most_boxes: int
