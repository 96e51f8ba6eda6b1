"""One JSON file per image: the annotations that SageMaker's built-in "Object Detection – MXNet" reads.

Format: https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection.html ("Train with the Image Format"). A file
has the stem of its image; classes are counted from 0 without a gap; a box is left, top, width, height in whole pixels
from the top left, as in all of AWS's examples. ``categories``, optional there, names the classes of the image.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from include.dataset.annotation import Box
from include.dataset.source import image_stem

CONTENT_TYPE = "application/x-image"  # of all four channels, where JPEG and PNG are mixed
NUMBERS_PER_BOX, NUMBERS_BEFORE_BOXES = 5, 2  # class, left, top, width, height; a header
ATTRIBUTES = ("source-ref", "bounding-box")  # of an augmented manifest's lines, the image first
LEAST_LABEL_WIDTH = 350  # the algorithm's default

_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


class DenseClass(NamedTuple):
    """A class as SageMaker counts it."""

    class_id: int  # from 0
    name: str


class BoxedImage(NamedTuple):
    """An image with its boxes, whatever they were read from.

    Attributes:
        name: relative to the channel of the images, "0f3c1a5b.jpg".
        boxes: each with its class id as the collection, or the COCO file, counts; corners inside the image.
    """

    name: str
    width: int
    height: int
    boxes: Sequence[tuple[int, Box]]


class AnnotationFile(NamedTuple):
    """One file of an annotation channel."""

    name: str  # "0f3c1a5b.json"
    contents: bytes
    boxes: int


def dense_classes(categories: Iterable[tuple[int, str]]) -> dict[int, DenseClass]:
    """SageMaker's classes by the ids of a label map or a COCO file, in the order of those.

    A collection's ids are append-only from 1, so its class ids are those less 1, whatever later batches bring.

    >>> dense_classes([(7, "dog"), (2, "cat")])
    {2: DenseClass(class_id=0, name='cat'), 7: DenseClass(class_id=1, name='dog')}
    """
    return {given: DenseClass(dense, name) for dense, (given, name) in enumerate(sorted(categories))}


def annotation_files(images: Iterable[BoxedImage], classes: Mapping[int, DenseClass]) -> Iterator[AnnotationFile]:
    """The annotation file of every image that has boxes.

    An image without boxes gets none, and must not be in the channel of the images either: MXNet drops a sample without
    a label (``ImageDetIter`` of python/mxnet/image/detection.py: "Encounter sample with no valid label"), while
    ``num_training_samples`` is to be what is really trained on. AWS's own notebook leaves them out, too.

    Raises:
        ValueError: two images have the same stem, so that one file would be written over the other.
    """
    owners: dict[str, str] = {}
    for image in images:
        if not image.boxes:
            continue
        name = f"{image_stem(image.name)}.json"
        if (other := owners.setdefault(name, image.name)) != image.name:
            raise ValueError(
                f"{other} and {image.name} would both be annotated in {name}: SageMaker finds an annotation by its "
                "image's name without folder and suffix. Rename one of them."
            )
        yield AnnotationFile(name, encode_annotation(image, classes), len(image.boxes))


def encode_annotation(image: BoxedImage, classes: Mapping[int, DenseClass]) -> bytes:
    """The contents of one annotation file, as compact JSON."""
    found = sorted({classes[class_id] for class_id, _ in image.boxes})
    content = {"file": image.name, **_labels(image, classes), "categories": [each._asdict() for each in found]}
    return _encode(content).encode()


def encode_manifest_line(image: BoxedImage, classes: Mapping[int, DenseClass], channel: str) -> bytes:
    """An image's line of an augmented manifest, by which the algorithm trains in Pipe mode without RecordIO files.

    Args:
        channel: where the images are, "s3://bucket/prefix/train".

    The job names ``ATTRIBUTES``, in this order. What is in the metadata the algorithm ignores.
    """
    found = sorted({classes[class_id] for class_id, _ in image.boxes})
    source, boxes = ATTRIBUTES
    content = {
        source: f"{channel}/{image.name}",
        boxes: _labels(image, classes),
        f"{boxes}-metadata": {
            "class-map": {str(each.class_id): each.name for each in found},
            "type": "groundtruth/object_detection",
        },
    }
    return _encode(content).encode() + b"\n"


def label_width(most_boxes: int) -> int:
    """The hyperparameter of this name for data whose fullest image has so many boxes, never below the default.

    https://docs.aws.amazon.com/sagemaker/latest/dg/object-detection-api-config.html

    >>> label_width(3), label_width(100)
    (350, 502)
    """
    return max(LEAST_LABEL_WIDTH, most_boxes * NUMBERS_PER_BOX + NUMBERS_BEFORE_BOXES)


def _labels(image: BoxedImage, classes: Mapping[int, DenseClass]) -> dict[str, object]:
    objects = []
    for class_id, box in image.boxes:
        left, top, width, height = whole_pixels(box, image.width, image.height)
        dense = classes[class_id].class_id
        objects.append({"class_id": dense, "left": left, "top": top, "width": width, "height": height})
    return {"image_size": [{"width": image.width, "height": image.height, "depth": 3}], "annotations": objects}


def whole_pixels(box: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, width and height of a box, its corners moved to the nearest whole pixels, at least one pixel large.

    >>> whole_pixels(Box("cat", 1.6, 0, 1.7, 30), 40, 30)
    (2, 0, 1, 30)
    """
    left, top = min(round(box.xmin), width - 1), min(round(box.ymin), height - 1)
    return left, top, max(min(round(box.xmax), width) - left, 1), max(min(round(box.ymax), height) - top, 1)
