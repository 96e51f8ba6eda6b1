"""What an annotation file says about one image, before anything of it is believed."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from typing import NamedTuple

from include.dataset.quarantine import Problem


class Box(NamedTuple):
    """A labelled bounding box in pixels, as given: floats, (0, 0) at the image's top left, no off-by-one added.

    VOC's corners are taken literally, as the TF Object Detection API does. (The VOC 2007 files themselves count
    pixels from 1 and include the last one; hardly any tool that writes VOC today does.)
    """

    label: str
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    difficult: bool = False


def pixels(value: float) -> int:
    """A side's length as an annotation gives it, in whole pixels; 0 for what is no length."""
    return int(value) if isfinite(value) else 0


@dataclass(frozen=True, slots=True)
class Annotation:
    """All that one VOC file, or one image entry of a COCO file, says about one image.

    Attributes:
        file: the annotation file, relative to the batch's source.
        image: the image's name as the annotation gives it; may lie, may lack its extension.
        width, height: pixels as the annotation gives them; 0 where it does not.
        boxes: in the order of the file. Without any, the image is a legitimate negative.
        where: for each box the field that holds it, for messages.
        problems: what the reader found wrong already; a coordinate that is no number is NaN in its box.
        path: where the image once was, on somebody's computer, as labelImg writes it; empty: not said.
    """

    file: str
    image: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    where: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    path: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image of the batch with its annotation, or whatever half of that pair there is.

    Attributes:
        problem: what is wrong with the pair; without one, both ``image`` and ``annotation`` are there.
        images, boxes: how many of them the candidate stands for, and sets aside if it has a problem. A fault of the
            source as a whole stands for no image.
    """

    image: str | None = None
    annotation: Annotation | None = None
    problem: Problem | None = None
    images: int = 1
    boxes: int = 0

    @classmethod
    def pair(cls, image: str, annotation: Annotation) -> Candidate:
        return cls(image, annotation, boxes=len(annotation.boxes))
