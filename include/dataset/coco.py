"""COCO's object detection JSON: many images in one file.

Format: https://cocodataset.org/#format-data. A box is [x, y, width, height] in pixels from the top left.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from math import isfinite, nan
from pathlib import PurePosixPath
from typing import Any

from include.dataset.annotation import Annotation, Box, Candidate, pixels
from include.dataset.quarantine import Notes, Problem, Refused
from include.dataset.source import SourceFiles

MAX_JSON_BYTES = 1 << 30

Entry = dict[str, Any]  # one object of the JSON file, nothing of it checked


def load_instances(files: SourceFiles) -> tuple[dict[str, Entry], list[Problem]]:
    """The JSON files of a batch that hold COCO instances, and those that cannot be read. Others are passed over."""
    instances, problems = {}, []
    for path in files.json:
        try:
            content = json.loads(files.read(path, MAX_JSON_BYTES))
        except Refused as refused:
            problems.append(refused.problem)
        except (ValueError, RecursionError) as error:
            problems.append(Problem("bad_json", path, value=str(error)))
        else:
            if isinstance(content, dict) and all(isinstance(content.get(part), list) for part in PARTS):
                instances[path] = content
    return instances, problems


PARTS = ("images", "annotations", "categories")


def coco_candidates(files: SourceFiles, instances: dict[str, Entry], notes: Notes) -> Iterator[Candidate]:
    """One candidate for every image that lies in the batch, and for every entry whose image does not."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for image in files.images:
        by_name[PurePosixPath(image).name].append(image)
    by_path = set(files.images)

    claims: dict[str, list[Annotation]] = defaultdict(list)
    for path, content in instances.items():
        annotations, strays = read_instances(content, path, notes)
        for annotation in annotations:
            if found := find_image(annotation, by_path, by_name):
                claims[found].append(annotation)
            else:
                outside = annotation.image.startswith("/") or ".." in PurePosixPath(annotation.image).parts
                code = "leaves_source" if outside else "annotation_without_image"
                problem = Problem(code, path, "images/file_name", annotation.image)
                yield Candidate(problem=problem, boxes=len(annotation.boxes))
        yield from (Candidate(problem=problem, images=0, boxes=1) for problem in strays)

    for image in files.images:
        match claims.get(image, []):
            case []:
                yield Candidate(image, problem=Problem("image_without_annotation", image))
            case [annotation]:
                yield Candidate.pair(image, annotation)
            case several:
                problem = Problem("several_annotations", image, value=", ".join(one.file for one in several))
                yield Candidate(image, problem=problem, boxes=sum(len(one.boxes) for one in several))


def read_instances(content: Entry, path: str, notes: Notes) -> tuple[list[Annotation], list[Problem]]:
    """The annotations of one file, one for each of its images, and a problem for each box that belongs to none.

    Crowds (``iscrowd``: one box around many) are read as difficult boxes, which scoring ignores.
    """
    images, annotations, categories = (
        [entry if isinstance(entry, dict) else {} for entry in content[part]] for part in PARTS
    )
    names = {_id(entry, "id"): str(entry.get("name", "")) for entry in categories}
    boxes: dict[str, list[tuple[int, Entry]]] = defaultdict(list)
    for index, entry in enumerate(annotations):
        boxes[_id(entry, "image_id")].append((index, entry))

    found = []
    for entry in images:
        mine = boxes.pop(_id(entry, "id"), [])
        read, where, problems = [], [], []
        for index, box_entry in mine:
            where.append(f"annotations[{index}]/bbox")
            read.append(_box(box_entry, names))
            if not all(isfinite(value) for value in read[-1][1:5]):
                problems.append(Problem("not_a_number", path, where[-1], str(box_entry.get("bbox"))))
            if read[-1].difficult:
                notes.add("crowd read as a difficult box", f"{path} {where[-1]}")
        width, height = (pixels(_number(entry.get(side))) for side in ("width", "height"))
        name = str(entry.get("file_name", "")).replace("\\", "/")
        found.append(Annotation(path, name, width, height, tuple(read), tuple(where), tuple(problems)))
    strays = [
        Problem("unknown_image_id", path, f"annotations[{index}]/image_id", str(entry.get("image_id")))
        for left in boxes.values()
        for index, entry in left
    ]
    return found, strays


def find_image(annotation: Annotation, by_path: set[str], by_name: dict[str, list[str]]) -> str | None:
    """The image that a ``file_name`` means: beside the JSON file or in ``images`` there or above, or by its name.

    Only paths that the batch was found to hold are ever returned, so none can lead out of it.
    """
    folder = PurePosixPath(annotation.file).parent
    for start in (folder, folder / "images", PurePosixPath(), PurePosixPath("images")):
        if (path := str(start / annotation.image)) in by_path:
            return path
    same_name = by_name.get(PurePosixPath(annotation.image).name, [])
    return same_name[0] if len(same_name) == 1 and ".." not in annotation.image else None


def _box(entry: Entry, names: dict[str, str]) -> Box:
    corners = entry.get("bbox")
    corners = [_number(value) for value in corners] if isinstance(corners, list) and len(corners) == 4 else [nan] * 4
    x, y, width, height = corners
    label = names.get(_id(entry, "category_id"), "")
    return Box(label, x, y, x + width, y + height, entry.get("iscrowd") in (1, True))


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return nan
    try:
        return float(value)
    except OverflowError:
        return nan


def _id(entry: Entry, field: str) -> str:
    """An id as text, so that 7 and "7" meet and an unhashable one does no harm."""
    return str(entry.get(field))


def encode_instances(images: Iterable[Entry], categories: Iterable[tuple[int, str]]) -> bytes:
    """COCO JSON of images: ``file_name``, ``width``, ``height``, ``boxes`` with class ids, ``sha256`` where known.

    Ids of images and boxes start at 1: pycocotools takes a box with id 0 for unmatched. A difficult box becomes
    ``iscrowd``, the only field by which pycocotools leaves a box out of the score, as VOC does with difficult ones.
    """
    listed: list[Entry] = []
    annotations: list[Entry] = []
    for image_id, image in enumerate(images, start=1):
        listed.append({"id": image_id} | {name: value for name, value in image.items() if name != "boxes"})
        for class_id, box in image["boxes"]:
            width, height = box.xmax - box.xmin, box.ymax - box.ymin
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": class_id,
                    "bbox": [box.xmin, box.ymin, width, height],
                    "area": width * height,
                    "iscrowd": int(box.difficult),
                }
            )
    content = {
        "images": listed,
        "annotations": annotations,
        "categories": [{"id": class_id, "name": name} for class_id, name in categories],
    }
    return json.dumps(content, separators=(",", ":"), ensure_ascii=False).encode()
