"""A dataset as Custom Vision takes it: images of the train and validation sides, each with its boxes as regions.

The hold-out is not among them. Custom Vision makes its own choice of which of the images it measures itself on.
Limits, read 2026-11-29: https://learn.microsoft.com/azure/ai-services/custom-vision-service/limits-and-quotas
"""

from __future__ import annotations

import io
import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from PIL import Image

from include.dataset.image_check import exif_orientation
from include.dataset.sagemaker_channels import TRAINING_SIDES, encoded_images
from include.documents import DatasetDocument, Fault
from include.store import Store

MOST_REGIONS = 300  # of an image
MOST_SIDE = 10_240  # pixels
LONGEST_FORM = 25  # times as long as wide
TRAINING_BYTES, PREDICTION_BYTES = 6_000_000, 4_000_000  # of an image; the service says MB
BATCH_IMAGES = 64
# Of a batch's images. The service takes some 50 MB, in which they are a third larger (base64); several batches are in
# memory at once, in several forms, and at ten calls a second more would not be faster.
BATCH_BYTES = 16 << 20
QUALITY = 92  # of a JPEG that has to be written anew
SMALLER = 0.8  # times the sides, until it fits


class Region(NamedTuple):
    """A box as the service has it: of the image's width and height, from its left and its top."""

    class_id: int  # of the label map
    left: float
    top: float
    width: float
    height: float


class LabelledImage(NamedTuple):
    """An image to be uploaded, but for its bytes."""

    sha256: str
    file: str  # as the collection calls it
    regions: tuple[Region, ...]


@dataclass(frozen=True)
class CustomVisionData:
    """What of a dataset is uploaded; ``found == len(images) + len(set_aside) + without_boxes``.

    Attributes:
        images: by the SHA-256 of their bytes.
        set_aside: images that the service would not take.
        without_boxes: images that it would not train on, and that are left out.
        names: of the classes that have an image, by their id in the label map.
    """

    images: Mapping[str, LabelledImage]
    set_aside: tuple[Fault, ...]
    without_boxes: int
    names: Mapping[int, str]

    @property
    def found(self) -> int:
        return len(self.images) + len(self.set_aside) + self.without_boxes

    def images_of_each_class(self, left_out: Iterable[str] = ()) -> dict[int, int]:
        """By class id, in how many images it is, but for some of these."""
        without = set(left_out)
        kept = (image for sha256, image in self.images.items() if sha256 not in without)
        counts = Counter(class_id for image in kept for class_id in {each.class_id for each in image.regions})
        return {class_id: counts[class_id] for class_id in sorted(self.names)}


def custom_vision_data(store: Store, dataset: DatasetDocument) -> CustomVisionData:
    """The images of a dataset's train and validation sides, out of its COCO JSON; the images are not read."""
    images: dict[str, LabelledImage] = {}
    set_aside: list[Fault] = []
    without_boxes = 0
    for side in TRAINING_SIDES:
        content = json.loads(store.read(dataset.sides[side].coco))
        boxes: dict[int, list[dict[str, Any]]] = defaultdict(list)
        for each in content["annotations"]:
            boxes[each["image_id"]].append(each)
        for each in content["images"]:
            if not (own := boxes[each["id"]]):
                without_boxes += 1
            elif fault := _why_not(each, len(own)):
                set_aside.append(fault)
            else:
                images[each["sha256"]] = _labelled(each, own)
    used = {region.class_id for image in images.values() for region in image.regions}
    names = {category.id: category.name for category in dataset.label_map if category.id in used}
    return CustomVisionData(images, tuple(set_aside), without_boxes, names)


def batches(
    store: Store, dataset: DatasetDocument, wanted: Mapping[str, LabelledImage]
) -> Iterator[list[tuple[LabelledImage, bytes]]]:
    """Some of a dataset's images with their bytes, as many at a time as one call takes.

    Raises:
        ValueError: the shards lack an image that the COCO JSON has.
    """
    missing = dict(wanted)
    batch: list[tuple[LabelledImage, bytes]] = []
    size = 0
    for side in TRAINING_SIDES:
        for sha256, original in encoded_images(store, dataset, side) if missing else ():
            image = missing.pop(sha256, None)
            if image is None:
                continue
            encoded = within_limits(original, TRAINING_BYTES)
            if batch and (len(batch) == BATCH_IMAGES or size + len(encoded) > BATCH_BYTES):
                yield batch
                batch, size = [], 0
            batch.append((image, encoded))
            size += len(encoded)
    if batch:
        yield batch
    if missing:
        raise ValueError(
            f"{len(missing)} images with boxes are in no shard of {dataset.path}, the first has sha256 "
            f"{next(iter(missing))}. Shards and COCO JSON must belong together: build the dataset again."
        )


def within_limits(encoded: bytes, most_bytes: int, most_side: int = MOST_SIDE) -> bytes:
    """An image as the service takes it: itself if it can be, else written anew, smaller.

    Regions are fractions, so they need no change. One that its camera marked as turned (EXIF) is written anew without
    the mark, since boxes are in the pixels as they are stored, and whether the service turns them is not documented.
    """
    image: Image.Image = Image.open(io.BytesIO(encoded), formats=("JPEG", "PNG"))
    upright = exif_orientation(image) == 1
    if upright and len(encoded) <= most_bytes and max(image.size) <= most_side:
        return encoded
    image = image.convert("RGB")
    scale = min(1.0, most_side / max(image.size))
    while True:
        size = (max(round(image.width * scale), 1), max(round(image.height * scale), 1))
        written = io.BytesIO()
        resized = image if size == image.size else image.resize(size, Image.Resampling.LANCZOS)
        resized.save(written, "JPEG", quality=QUALITY)
        if len(written.getvalue()) <= most_bytes:
            return written.getvalue()
        scale *= SMALLER


def _why_not(image: Mapping[str, Any], boxes: int) -> Fault | None:
    """Why the service would not take an image with its boxes; an image is used with all of them or not at all."""
    file, width, height = image["file_name"], image["width"], image["height"]
    if boxes > MOST_REGIONS:
        words = f"Custom Vision takes {MOST_REGIONS} boxes in an image. Cut it into several images."
        return Fault(
            code="too_many_regions", file=file, field="boxes", value=str(boxes), message=words, images=1, boxes=boxes
        )
    if max(width, height) > LONGEST_FORM * min(width, height):
        words = f"Custom Vision takes images up to {LONGEST_FORM} times as long as wide. Cut it into several images."
        return Fault(
            code="too_long", file=file, field="size", value=f"{width} x {height}", message=words, images=1, boxes=boxes
        )
    return None


def _labelled(image: Mapping[str, Any], boxes: Iterable[Mapping[str, Any]]) -> LabelledImage:
    width, height = image["width"], image["height"]
    regions = []
    for each in boxes:
        x, y, wide, high = each["bbox"]
        left, top = min(max(x / width, 0.0), 1.0), min(max(y / height, 0.0), 1.0)
        regions.append(Region(each["category_id"], left, top, min(wide / width, 1 - left), min(high / height, 1 - top)))
    once = tuple(dict.fromkeys(regions))  # the same box twice is one to the service, so it could not be counted
    return LabelledImage(image["sha256"], image["file_name"], once)
