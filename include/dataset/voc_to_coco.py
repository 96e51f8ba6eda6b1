"""Pascal VOC XML to one COCO JSON, and nothing else: no dataset, no shards, no sides.

Every annotation is checked as in a batch. Of an image only its header is read, for its size: whether it can be decoded
to its end is for ``check`` to say.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from include.dataset.box_check import check_boxes, check_size
from include.dataset.coco import encode_instances
from include.dataset.image_check import MAX_BYTES, TURNED, exif_orientation
from include.dataset.quarantine import Fault, Notes, Refused, fault
from include.dataset.source import SourceFiles, list_source
from include.dataset.voc_folder import voc_candidates

HEAD_BYTES = 1 << 14  # in which most images say their size


class Converted(NamedTuple):
    instances: bytes  # COCO JSON; class ids from 1 in the order of the names
    images: int
    boxes: int
    faults: list[Fault]  # what was set aside, with its images and boxes


class SoundFolder(NamedTuple):
    """What of a folder can be used, whatever it is to be written as."""

    images: list[dict[str, Any]]  # as ``encode_instances`` takes them
    class_ids: dict[str, int]  # by name
    faults: list[Fault]


def voc_to_coco(folder: Path) -> Converted:
    """Convert the annotations of a folder's images.

    Returns:
        What is sound, as COCO JSON, and the rest with its reasons.
    """
    images, ids, faults = read_folder(folder)
    instances = encode_instances(images, ((number, label) for label, number in ids.items()))
    return Converted(instances, len(images), sum(len(image["boxes"]) for image in images), faults)


def read_folder(folder: Path) -> SoundFolder:
    """Check the annotations of a folder's images."""
    files, notes = list_source(folder), Notes()
    images: list[dict[str, Any]] = []
    faults: list[Fault] = []
    for candidate in voc_candidates(files, notes):
        path, annotation, problem = candidate.image, candidate.annotation, candidate.problem
        problems = [problem] if problem else []
        if path and annotation and not problems:
            try:
                width, height = image_size(files, path)
                problems += check_size(annotation, width, height, notes)
                boxes, more = check_boxes(annotation, width, height, None, notes)
                problems += more
            except Refused as refused:
                problems.append(refused.problem)
        if not problems:
            images.append({"file_name": path, "width": width, "height": height, "boxes": boxes})
        for number, each in enumerate(problems):  # the first bears all that the image costs
            costs = {} if number else {"images": candidate.images, "boxes": candidate.boxes}
            faults.append(fault(each, **costs))
    labels = sorted({box.label for image in images for box in image["boxes"]})
    ids = {label: number for number, label in enumerate(labels, start=1)}
    for image in images:
        image["boxes"] = [(ids[box.label], box) for box in image["boxes"]]
    return SoundFolder(images, ids, faults)


def image_size(files: SourceFiles, path: str) -> tuple[int, int]:
    """Width and height in pixels, from the image's header; ``Refused`` if it is no JPEG or PNG, or turned."""
    for head in (HEAD_BYTES, None):  # a large preview or colour profile may stand before the size
        data = files.read(path, MAX_BYTES, head=head)
        try:
            image = Image.open(io.BytesIO(data), formats=("JPEG", "PNG"))
            if (orientation := exif_orientation(image)) in TURNED:
                raise Refused("exif_rotated", path, "EXIF Orientation", orientation)
            return image.size
        except Refused:
            raise
        except Image.DecompressionBombError as error:
            raise Refused("too_many_pixels", path, value=error) from error
        except Exception as error:  # whatever the parser makes of hostile bytes
            unreadable = error
    raise Refused("unsupported_format", path, value=unreadable)
