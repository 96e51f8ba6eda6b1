"""A COCO JSON file, or a folder of images with Pascal VOC XML, as SageMaker's JSON: one file per image.

For a dataset with its sides see ``sagemaker_channels``. Every box is checked; an image of which one is wrong is set
aside as a whole, as everywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from include.dataset.annotation import Annotation
from include.dataset.box_check import check_boxes
from include.dataset.coco import MAX_JSON_BYTES, PARTS, read_instances
from include.dataset.quarantine import Fault, Notes, Problem, Refused, fault
from include.dataset.sagemaker_json import AnnotationFile, BoxedImage, annotation_files, dense_classes, label_width
from include.dataset.source import read_inside
from include.dataset.voc_to_coco import read_folder


class SageMakerFiles(NamedTuple):
    files: list[AnnotationFile]
    classes: tuple[str, ...]  # in the order of their ids, from 0
    without_boxes: int  # images for which no file is made (see ``annotation_files``)
    faults: list[Fault]

    @property
    def label_width(self) -> int:
        return label_width(max((each.boxes for each in self.files), default=0))

    def write(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for each in self.files:
            with open(f"{folder}/{each.name}", "wb") as file:  # noqa: PTH123 - a third faster than Path's
                file.write(each.contents)


def voc_to_sagemaker(folder: Path) -> SageMakerFiles:
    """The files of a folder's sound images; "file" in each is the image's path in the folder."""
    images, ids, faults = read_folder(folder)
    boxed = [BoxedImage(each["file_name"], each["width"], each["height"], each["boxes"]) for each in images]
    return _files(boxed, {number: name for name, number in ids.items()}, faults)


def coco_to_sagemaker(file: Path) -> SageMakerFiles:
    """The files of a COCO JSON file's images; "file" in each is the image's ``file_name``.

    The images are not looked at, so that the sizes of the file are believed; ``check`` and ``build`` compare them.

    Raises:
        ValueError: no COCO JSON, or two of its categories have the same id or name.
    """
    content = _load(file)
    names: dict[int, str] = {}
    for entry in content["categories"]:
        number, name = entry.get("id"), entry.get("name")
        if not isinstance(number, int) or not isinstance(name, str) or number in names or name in names.values():
            raise ValueError(f"{file}, categories: got {entry}; expected an id (whole number) and a name, each once.")
        names[number] = name
    ids = {name: number for number, name in names.items()}
    annotations, strays = read_instances(content, file.name, Notes())
    faults = [fault(problem, boxes=1) for problem in strays]
    images = []
    for annotation in annotations:
        problems = list(_problems(annotation))
        if not problems:
            boxes, problems = check_boxes(annotation, annotation.width, annotation.height, ids.keys(), Notes())
        if not problems:
            boxed = [(ids[box.label], box) for box in boxes]
            images.append(BoxedImage(annotation.image, annotation.width, annotation.height, boxed))
        for number, each in enumerate(problems):
            costs = {} if number else {"images": 1, "boxes": len(annotation.boxes)}
            faults.append(fault(each, **costs))
    return _files(images, names, faults)


def _files(images: list[BoxedImage], names: dict[int, str], faults: list[Fault]) -> SageMakerFiles:
    classes = dense_classes(names.items())
    files = list(annotation_files(images, classes))
    return SageMakerFiles(files, tuple(each.name for each in classes.values()), len(images) - len(files), faults)


def _problems(annotation: Annotation) -> Iterator[Problem]:
    if not annotation.image:
        yield Problem("annotation_without_image", annotation.file, "images/file_name")
    if annotation.image.startswith("/") or ".." in annotation.image.split("/"):
        yield Problem("leaves_source", annotation.file, "images/file_name", annotation.image)
    if annotation.width < 1 or annotation.height < 1:
        size = f"{annotation.width} x {annotation.height}"
        yield Problem("no_image_size", annotation.file, "images/width, height", f"{annotation.image}: {size}")


def _load(file: Path) -> dict[str, list[dict[str, object]]]:
    try:
        content = json.loads(read_inside(file.parent, file.name, MAX_JSON_BYTES))
    except Refused as refused:
        raise ValueError(str(refused)) from refused
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is no JSON: {error}.") from error
    if not isinstance(content, dict) or not all(isinstance(content.get(part), list) for part in PARTS):
        raise ValueError(f"{file} is no COCO JSON: expected the lists {', '.join(PARTS)}.")
    return {**content, "categories": [entry if isinstance(entry, dict) else {} for entry in content["categories"]]}
