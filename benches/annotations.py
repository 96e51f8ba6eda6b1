"""Reading VOC annotations with all checks, per CPU second, against a plain loop that checks nothing.

Ours reads files that may be hostile and boxes that may be wrong: links out of the folder, pipes, huge files, DTDs and
entities are refused; each annotation is matched with its image; sizes, coordinates, boxes and class names are checked.
The plain loop is ElementTree over the same files, which would let a bomb of entities through. Both end with the same
boxes. The images themselves are not opened (see ``image_checks``).
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from benches.measure import Asked, Goal, Row, main, side_by_side
from benches.pictures import Pictures, picture_sets
from include.dataset.box_check import check_boxes, check_size
from include.dataset.quarantine import Notes
from include.dataset.source import list_source
from include.dataset.voc_folder import voc_candidates

Boxes = dict[str, list[tuple[Any, ...]]]  # label, xmin, ymin, xmax, ymax of each box, by the file's stem


def bench(asked: Asked) -> list[Row]:
    with picture_sets(asked.data) as sets:
        return [compare(pictures) for pictures in sets]


def compare(pictures: Pictures) -> Row:
    ours, theirs = side_by_side(lambda: read_and_check(pictures), lambda: read_plainly(pictures))
    return Row(
        work="reading VOC annotations, checked",
        against="an ElementTree loop that checks nothing",
        on=pictures.name,
        ours=ours.rate(pictures.count, "files"),
        theirs=theirs.rate(pictures.count, "files"),
        ratio=theirs.times(ours),
        goal=Goal("≥", 0.5),
    )


def read_and_check(pictures: Pictures) -> Boxes:
    """As ``check_batch`` does, but for the images' own sizes, for which it has to open them."""
    notes = Notes()
    read: Boxes = {}
    for candidate in voc_candidates(list_source(pictures.folder), notes):
        annotation = candidate.annotation
        if annotation is None:
            raise ValueError(f"{candidate.problem}: the benches want sound annotations.")
        width, height = annotation.width, annotation.height
        problems = check_size(annotation, width, height, notes)
        boxes, box_problems = check_boxes(annotation, width, height, None, notes)
        if problems or box_problems:
            raise ValueError(f"{[*problems, *box_problems]}: the benches want sound annotations.")
        read[Path(annotation.file).stem] = [tuple(box[:5]) for box in boxes]
    return read


def read_plainly(pictures: Pictures) -> Boxes:
    read: Boxes = {}
    for path in sorted(pictures.annotations.glob("*.xml")):
        boxes = []
        root: Any = ElementTree.parse(path).getroot()
        for each in root.iter("object"):
            box = each.find("bndbox")
            corners = [float(box.findtext(name)) for name in ("xmin", "ymin", "xmax", "ymax")]
            boxes.append((each.findtext("name"), *corners))
        read[path.stem] = boxes
    return read


if __name__ == "__main__":
    main(__doc__, bench)
