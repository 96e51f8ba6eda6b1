"""What the script ``voc2coco.py`` makes (https://github.com/yukkyo/voc2coco), for those whose commands name it.

Unlike all else here it counts VOC's corners from 1 and takes the last pixel in, so that a box from 1 to 10 becomes
x 0, width 10. An image's id is its name without suffix; its size is the annotation's. ``coco`` is the better converter.
"""

from __future__ import annotations

import json
import ntpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from include.dataset.annotation import Annotation, Box
from include.dataset.box_check import check_boxes
from include.dataset.quarantine import Fault, Notes, Problem, Refused, fault
from include.dataset.source import read_inside
from include.dataset.voc import read_annotation
from include.dataset.voc_folder import MAX_XML_BYTES
from include.dataset.voc_to_coco import Converted


def read_labels(file: Path) -> dict[str, int]:
    """Class ids by name, from 1, in the order of a file with one name a line.

    Raises:
        ValueError: a name stands there twice, or none at all.
    """
    names = _lines(file)
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{file}: {', '.join(sorted(twice))} stands there twice. Each class has one line.")
    if not names:
        raise ValueError(f"{file} names no class. Expected one name a line.")
    return {name: number for number, name in enumerate(names, start=1)}


def annotation_paths(folder: Path | None, ids: Path | None, paths: Path | None, suffix: str = "") -> list[Path]:
    """The annotation files that the old script's options mean.

    Args:
        paths: a list of paths; where there is one, ``folder`` and ``ids`` are not asked.
        suffix: of the files; without it ``xml`` is tried for names that are no files as they stand.
    """
    if paths is not None:
        return [Path(line) for line in _lines(paths)]
    if folder is None or ids is None:
        raise ValueError("Name the annotations by --ann-dir and --ann-ids, or by --ann-paths-list.")
    return [_with_suffix(folder / line, suffix) for line in _lines(ids)]


def voc2coco(paths: Iterable[Path], class_ids: dict[str, int]) -> Converted:
    """Convert annotation files, each with one image. What cannot be used is in ``faults``, an image at a time."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    faults: list[Fault] = []
    seen: set[str] = set()
    for path in paths:
        try:
            annotation = read_annotation(read_inside(path.parent, path.name, MAX_XML_BYTES), str(path))
        except Refused as refused:
            problem = refused.problem._replace(file=str(path))
            faults.append(fault(problem, images=1))
            continue
        name = annotation.path or annotation.image
        image_id = ntpath.splitext(ntpath.basename(name))[0]
        shifted = [box._replace(xmin=box.xmin - 1, ymin=box.ymin - 1) for box in annotation.boxes]
        annotation = replace(annotation, boxes=tuple(shifted))
        problems = list(_problems(annotation, image_id, seen))
        if not problems:
            boxes, problems = check_boxes(annotation, annotation.width, annotation.height, class_ids, Notes())
        if problems:
            for number, each in enumerate(problems):
                costs = {} if number else {"images": 1, "boxes": len(annotation.boxes)}
                faults.append(fault(each, **costs))
            continue
        seen.add(image_id)
        size = {"height": annotation.height, "width": annotation.width}
        images.append({"file_name": name, **size, "id": image_id})
        for box in boxes:
            numbered = {"image_id": image_id, "id": len(annotations) + 1}
            annotations.append(_entry(box, class_ids[box.label]) | numbered)
    content = {
        "images": images,
        "type": "instances",
        "annotations": annotations,
        "categories": [{"supercategory": "none", "id": number, "name": name} for name, number in class_ids.items()],
    }
    return Converted(json.dumps(content).encode(), len(images), len(annotations), faults)


def _entry(box: Box, class_id: int) -> dict[str, Any]:
    width, height = box.xmax - box.xmin, box.ymax - box.ymin
    return {
        "area": _plain(width * height),
        "iscrowd": 0,
        "bbox": [_plain(value) for value in (box.xmin, box.ymin, width, height)],
        "category_id": class_id,
        "ignore": 0,
        "segmentation": [],
    }


def _problems(annotation: Annotation, image_id: str, seen: set[str]) -> Iterator[Problem]:
    if not image_id:
        yield Problem("annotation_without_image", annotation.file, "filename")
    if image_id in seen:
        yield Problem("several_annotations", annotation.file, "filename", image_id)
    if annotation.width < 1 or annotation.height < 1:
        yield Problem("no_image_size", annotation.file, "size", f"{annotation.width} x {annotation.height}")


def _with_suffix(path: Path, suffix: str) -> Path:
    if suffix or not path.is_file():
        return path.with_name(f"{path.name}.{suffix or 'xml'}")
    return path


def _lines(file: Path) -> Sequence[str]:
    """The lines of a file without those that are empty."""
    return [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]


def _plain(value: float) -> int | float:
    return int(value) if float(value).is_integer() else value
