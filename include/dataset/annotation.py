"""What an annotation file says about one image, before anything of it is believed."""

from __future__ import annotations

from dataclasses import dataclass
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
    """

    file: str
    image: str
    width: int
    height: int
    boxes: tuple[Box, ...]
    where: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """An image of the batch with its annotation, or whatever half of that pair there is.

    ``problem`` is what pairing found wrong; then ``boxes`` says how many boxes are set aside with it.
    A candidate with neither ``image`` nor ``annotation`` is a fault of the source that costs no image.
    """

    image: str | None = None
    annotation: Annotation | None = None
    problem: Problem | None = None
    boxes: int = 0
