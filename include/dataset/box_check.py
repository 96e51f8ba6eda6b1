"""Can every box of an annotation be trusted on the image that it was found with?"""

from __future__ import annotations

from collections.abc import Container
from math import isfinite

from include.dataset.annotation import Annotation, Box
from include.dataset.quarantine import Notes, Problem

OVERHANG = 1.0  # pixels that a box may reach beyond its image, from tools that count from 1 or round up


def check_boxes(
    annotation: Annotation, width: int, height: int, classes: Container[str] | None, notes: Notes
) -> tuple[tuple[Box, ...], list[Problem]]:
    """The boxes of an annotation, clipped to an image of ``width`` x ``height`` pixels, and what is wrong with them.

    Every bad box has its own problem, so that a person can mend them all at once. ``classes`` None: any name.
    """
    problems = list(annotation.problems)
    boxes = []
    good_names: set[str] = set()  # of this annotation: most of its boxes share a few
    for where, box in zip(annotation.where, annotation.boxes, strict=True):
        label, xmin, ymin, xmax, ymax, _ = box
        if label in good_names and 0 <= xmin < xmax <= width and 0 <= ymin < ymax <= height:
            boxes.append(box)
            continue
        boxes.append(clip(box, width, height))
        if code := box_problem(box, width, height) or (boxes[-1] != box and box_problem(boxes[-1], width, height)):
            corners = f"{box.xmin:g} {box.ymin:g} {box.xmax:g} {box.ymax:g}"
            problems.append(Problem(code, annotation.file, where, f"{corners} in an image of {width} x {height}"))
        elif boxes[-1] != box:
            notes.add("box reached up to 1 px beyond its image and was clipped", f"{annotation.file} {where}")
        if not box.label or not box.label.isprintable():
            problems.append(Problem("bad_class_name", annotation.file, where, box.label))
        elif classes is not None and box.label not in classes:
            problems.append(Problem("unknown_class", annotation.file, where, box.label))
        else:
            good_names.add(box.label)
    return tuple(boxes), problems


def box_problem(box: Box, width: int, height: int) -> str | None:
    """The code of what is wrong with a box's geometry, if anything is.

    A coordinate that is not finite is no concern here: whoever read the file has reported it with its text.
    """
    if not all(isfinite(value) for value in box[1:5]):
        return None
    if box.xmin > box.xmax or box.ymin > box.ymax:
        return "inverted_box"
    if box.xmin == box.xmax or box.ymin == box.ymax:
        return "empty_box"
    if min(box.xmin, box.ymin) < -OVERHANG or box.xmax > width + OVERHANG or box.ymax > height + OVERHANG:
        return "box_outside"
    return None


def clip(box: Box, width: int, height: int) -> Box:
    """The part of a box that lies inside its image."""
    if box.xmin >= 0 and box.ymin >= 0 and box.xmax <= width and box.ymax <= height:
        return box
    return box._replace(
        xmin=min(max(box.xmin, 0), width),
        ymin=min(max(box.ymin, 0), height),
        xmax=min(max(box.xmax, 0), width),
        ymax=min(max(box.ymax, 0), height),
    )


def check_size(annotation: Annotation, width: int, height: int, notes: Notes) -> list[Problem]:
    """Was the annotation made for an image of this size? Sizes of 0 and swapped sides are tools' habits: mended."""
    given = (annotation.width, annotation.height)
    if given == (width, height):
        return []
    if 0 in given:
        notes.add("size missing or 0 in the annotation; the image's own was taken", annotation.file)
    elif given == (height, width):
        notes.add("width and height swapped in the annotation; the image's own were taken", annotation.file)
    else:
        value = f"{given[0]} x {given[1]}, the image has {width} x {height}"
        return [Problem("size_mismatch", annotation.file, "size", value)]
    return []
